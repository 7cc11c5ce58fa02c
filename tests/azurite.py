"""An Azurite process for tests: on disk, on free ports, gone afterwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from azure_durable_py.errors import StorageUnavailableError
from azure_durable_py.taskhub.protocol import TaskHubStore

ACCOUNT = "devstoreaccount1"
# Public: the key that every emulator has.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_ROOT = Path(__file__).parent.parent
_LISTENING = re.compile(r"(Blob|Queue|Table) service is successfully listening at (\S+)")


def find() -> str | None:
    """The command: what the environment variable AZURITE says, else the one that npm installed here."""
    given = os.environ.get("AZURITE")
    if given:
        return shutil.which(given)
    return shutil.which(_ROOT / "node_modules" / ".bin" / "azurite")


class Azurite:
    """A running Azurite, until `stop`.

    :param command: how to start it, see `find`.
    :param directory: where it keeps its data. In memory it would stall when many messages are deleted.
    :param options: further options of its command line.
    """

    def __init__(self, command: str, directory: Path, *options: str) -> None:
        self._log = (directory / "azurite.log").open("w")
        self._process = subprocess.Popen(
            # Port 0 lets the system choose: no two runs collide.
            [
                *(command, "--silent", "--disableTelemetry", "--location", str(directory / "data")),
                *("--blobPort", "0", "--queuePort", "0", "--tablePort", "0"),
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            # Ctrl+C is for whoever started it, who still has to tidy up there.
            start_new_session=True,
        )
        self._uris: dict[str, str] = {}
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := _LISTENING.search(line):
                self._uris[found[1]] = f"{found[2]}/{ACCOUNT}"
            if len(self._uris) == 3:
                return
        self.stop()
        raise RuntimeError(f"Azurite did not start; see {self._log.name}")

    @property
    def queue_uri(self) -> str:
        """Address of the queue service."""
        return self._uris["Queue"]

    @property
    def table_uri(self) -> str:
        """Address of the table service."""
        return self._uris["Table"]

    @property
    def connection_string(self) -> str:
        """What an app would have as AzureWebJobsStorage."""
        endpoints = "".join(f"{service}Endpoint={uri};" for service, uri in self._uris.items())
        return f"AccountName={ACCOUNT};AccountKey={KEY};{endpoints}"

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()


async def clear(store: TaskHubStore) -> None:
    """Delete the hub that a test has had, and close its store, which may be closed already.

    An emulator that has a lot else to do may give no answer in time. That is not what the test was about.
    """
    for attempt in range(5):
        try:
            await store.open()
            await store.delete_hub()
            break
        except StorageUnavailableError:
            if attempt == 4:
                raise
    await store.close()
