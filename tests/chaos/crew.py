"""The worker processes of a run: started, killed, stopped, started again, ended.

Owns the processes. Whoever dies is replaced; whoever ends without being told is noted.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos.worker import Orders, ready_file

_ROOT = Path(__file__).parent.parent.parent
_LOOK_SECONDS = 0.03
END_SECONDS, WORK_SECONDS = 20.0, 1.5


class Member:
    """One place in the crew, and the process that fills it at the moment."""

    def __init__(self, number: int, directory: Path, orders: Orders) -> None:
        self.name = f"W{number + 1}"
        self.is_stopped = False
        self._directory = directory
        self._orders = orders
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of its process, or of the last one."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> Path:
        """What its processes say."""
        return self._directory / f"{self.name}.log"

    @property
    def code(self) -> int | None:
        """How its process ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def is_ready(self) -> bool:
        """Whether its process runs and has begun to take work."""
        running = self._process is not None and self.code is None
        return running and ready_file(self._directory, self.pid).exists()

    @property
    def is_at_work(self) -> bool:
        """Whether it has been taking work for a while: on a slow machine, too, something is to be under way."""
        return self.is_ready and time.time() - ready_file(self._directory, self.pid).stat().st_mtime > WORK_SECONDS

    def launch(self) -> None:
        """Start a process."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.worker", self._orders.encode()],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Ctrl+C is for the driver, which then ends the workers.
                start_new_session=True,
            )
        self.is_stopped = False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for the end of its process; returns its code."""
        while (code := self.code) is None:
            await asyncio.sleep(_LOOK_SECONDS)
        self._close()
        return code

    def remove(self) -> None:
        """End its process at once, in whatever state it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._close()

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


class Crew:
    """All members, each kept alive.

    :param say: takes what people are to read.
    """

    def __init__(self, members: list[Member], dice: random.Random, say: Callable[[str], None]) -> None:
        self.members = members
        self.kills = 0
        self.stops = 0
        self.suicides = 0
        self.killed: dict[int, float] = {}
        self.complaints: list[str] = []
        self._dice = dice
        self._say = say
        self._keepers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start everybody."""
        self._keepers = [asyncio.get_running_loop().create_task(self._keep(member)) for member in self.members]

    async def ready(self) -> None:
        """Wait until everybody takes work."""
        while not all(member.is_ready for member in self.members):
            await asyncio.sleep(_LOOK_SECONDS)

    async def kill(self, first: int) -> None:
        """Kill a worker: this one, or the next that is at work."""
        victim = await self._victim(first, lambda member: member.is_at_work and member.pid not in self.killed)
        self.kills += 1
        self.killed[victim.pid] = time.time()
        self._say(f"kill {victim.name} ({victim.pid}){' while it is stopped' if victim.is_stopped else ''}")
        victim.signal(signal.SIGKILL)

    async def stop(self, first: int, seconds: float) -> None:
        """Stop a worker for so long."""
        victim = await self._victim(first, lambda member: member.is_at_work and not member.is_stopped)
        pid = victim.pid
        self.stops += 1
        self._say(f"stop {victim.name} ({pid}) for {seconds:.1f} s")
        victim.is_stopped = True
        victim.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        if victim.pid == pid and victim.is_stopped:
            victim.is_stopped = False
            victim.signal(signal.SIGCONT)

    async def end(self) -> None:
        """Tell everybody to end, in good order."""
        await self._let_go()
        for member in self.members:
            member.signal(signal.SIGTERM)
        for member in self.members:
            try:
                code = await asyncio.wait_for(member.ended(), END_SECONDS)
            except asyncio.TimeoutError:
                self.complaints.append(f"{member.name} did not end within {END_SECONDS:g} s of SIGTERM: {member.log}")
            else:
                if code:
                    self.complaints.append(f"{member.name} ended with {code} at SIGTERM: {member.log}")

    async def remove(self) -> None:
        """Nobody is left behind, whatever has happened."""
        await self._let_go()
        for member in self.members:
            member.remove()

    async def _let_go(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers = []

    async def _victim(self, first: int, fits: Callable[[Member], bool]) -> Member:
        count = len(self.members)
        while True:
            for number in range(first, first + count):
                if fits(self.members[number % count]):
                    return self.members[number % count]
            await asyncio.sleep(_LOOK_SECONDS)

    async def _keep(self, member: Member) -> None:
        while True:
            member.launch()
            code = await member.ended()
            if code != -signal.SIGKILL:
                self.complaints.append(f"{member.name} ({member.pid}) ended by itself with {code}: {member.log}")
                self._say(self.complaints[-1])
            elif member.pid not in self.killed:
                self.suicides += 1
                self.killed[member.pid] = time.time()
                self._say(f"an activity kills {member.name} ({member.pid})")
            await asyncio.sleep(self._dice.uniform(0.1, 3.0))


def has_died_in_silence(log: Path) -> list[str]:
    """What a log tells of tasks that ended with an exception that nobody looked at."""
    text = log.read_text(encoding="utf-8", errors="replace")
    return [line for line in text.splitlines() if "exception was never retrieved" in line]
