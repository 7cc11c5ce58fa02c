"""Budgets: what an agent may use up, in tokens, calls of models, money and time.

Owns the counting. A budget lives in the code of an orchestration and counts what that code was told by recorded steps,
so a replay comes to the same sums, and nothing is kept elsewhere. Whoever calls models on behalf of agents asks before
each call and counts after it. A budget never stops a call that is under way, except by its time.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from azure_durable_py.errors import BudgetExceededError, OrchestratorError
from azure_durable_py.runtime.current import current_context
from azure_durable_py.wording import counted, duration

if TYPE_CHECKING:
    from typing_extensions import Self

    from azure_durable_py.runtime.context import DurableOrchestrationContext

_Answer = TypeVar("_Answer")
_MILLION = 1_000_000
_VERSION = re.compile(r"(?:[-@:](?:v?\d[\d.:-]*|latest|preview))+")
"""What may stand behind the name of a model: `gpt-5-2025-08-07`, `claude-sonnet-4@20250514`, `...-v1:0`."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs: money per million tokens, in one currency for all models.

    :param input: of what it reads.
    :param output: of what it writes.
    """

    input: float
    output: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used up. It is JSON-serializable: hand it to the next generation with `continue_as_new`.

    `calls` are those of models, `cost` is in the currency of the prices, `seconds` are of the orchestration's time.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens


class Budget:
    """What the agents in its block may use up, inside an orchestrator: `with Budget(tokens=50_000) as budget:`.

    A model is called as long as something of every limit is left; so the last call may use more tokens and money than
    there were. Budgets may be nested: each counts, and the first that is used up ends what runs in its block, with a
    `BudgetExceededError`. It counts what the code of the block calls, in tasks beside it too, and not what
    sub-orchestrations do: hand them budgets of their own.

    :param tokens: how many tokens may be read and written together; None: any number.
    :param calls: how many calls of models may be made.
    :param cost: how much money may be spent; `prices` say what a call costs.
    :param time: how long it may take, of the orchestration's time; what is waited for counts.
    :param prices: prices by model. A name with a date or a version behind it has the price of the name alone, if it has
        none of its own.
    :param spent: what was used up before: `budget.spent` of another generation.
    :raises OrchestratorError: no limit was given, a limit is not above 0, `cost` came without `prices`, or `spent` is
        no `Spent`.
    """

    def __init__(
        self,
        *,
        tokens: int | None = None,
        calls: int | None = None,
        cost: float | None = None,
        time: timedelta | None = None,
        prices: Mapping[str, Price] | None = None,
        spent: Spent | None = None,
    ) -> None:
        seconds = None if time is None else time.total_seconds()
        limits = {"tokens": tokens, "calls": calls, "cost": cost, "time": seconds}
        self._limits = {name: limit for name, limit in limits.items() if limit is not None}
        if not self._limits:
            raise OrchestratorError("A budget needs a limit: Budget(tokens=50_000), or calls=, cost= or time=.")
        for name, limit in self._limits.items():
            if not limit > 0:
                raise OrchestratorError(f"The limit of a budget must be above 0, and {name} is {limit}.")
        if cost is not None and not prices:
            raise OrchestratorError('A budget of cost needs prices: prices={"gpt-5": Price(input=1.25, output=10)}.')
        if spent is not None and not isinstance(spent, Spent):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise OrchestratorError(
                f"spent is a Spent, not {type(spent).__name__}: of plain JSON it is Spent(**values)."
            )
        self._prices = dict(prices or {})
        self._counted = spent or Spent()
        self._context: DurableOrchestrationContext | None = None
        self._entered_at: datetime | None = None

    @property
    def spent(self) -> Spent:
        """What was used up so far, with what was handed in."""
        known, context = self._counted, self._context
        if context is None or self._entered_at is None:
            return known
        seconds = known.seconds + (context.current_utc_datetime - self._entered_at).total_seconds()
        return replace(known, seconds=seconds)

    @property
    def time_left(self) -> timedelta | None:
        """How much of its time is left; None: it has no limit of time."""
        allowed = self._limits.get("time")
        return None if allowed is None else timedelta(seconds=max(0.0, allowed - self.spent.seconds))

    def __enter__(self) -> Self:
        context = current_context()
        if context is None:
            raise OrchestratorError("A budget works inside an orchestrator: `with Budget(...)` in its code.")
        if self._entered_at is not None:
            raise OrchestratorError("This budget is in use already: make another, with spent=budget.spent.")
        self._context, self._entered_at = context, context.current_utc_datetime
        _active.set((*_active.get(), self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._counted, self._entered_at = self.spent, None
        # Code that is dropped where it stands runs its last lines outside of its context, which has other budgets.
        active = _active.get()
        if active and active[-1] is self:
            _active.set(active[:-1])

    # --- counting ----------------------------------------------------------------------------------

    def check(self) -> None:
        """Look that something of every limit is left.

        :raises BudgetExceededError: of one there is nothing.
        """
        spent = self.spent
        used = {"tokens": spent.tokens, "calls": spent.calls, "cost": spent.cost, "time": spent.seconds}
        for name, allowed in self._limits.items():
            if used[name] >= allowed:
                raise BudgetExceededError(
                    f"The budget of {_WORDS[name](allowed)} is used up: {_told(spent)}. Give more with "
                    f"Budget({name}=...), and spent= if it is to count what was spent.",
                    name,
                    allowed,
                    used[name],
                )

    @property
    def is_of_money(self) -> bool:
        """Whether it limits what is paid."""
        return "cost" in self._limits

    def check_price(self, model_name: str) -> None:
        """Look that it can tell what a call costs, if it has to.

        :raises OrchestratorError: money is limited, and the model has no price.
        """
        if self.is_of_money and self._price(model_name) is None:
            raise OrchestratorError(
                f"The budget of cost has no price for model {model_name!r}: add it to prices, which are for "
                f"{', '.join(sorted(self._prices))}."
            )

    def count_call(self) -> None:
        """Count a call that is about to be made."""
        self._add(calls=1)

    def count_answer(self, model_name: str, input_tokens: int, output_tokens: int) -> None:
        """Count what a call came to.

        :raises OrchestratorError: money is limited, and the model has no price.
        """
        self._add(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost=self._cost(model_name, input_tokens, output_tokens),
        )

    def _add(self, calls: int = 0, input_tokens: int = 0, output_tokens: int = 0, cost: float = 0.0) -> None:
        now = self._counted
        self._counted = Spent(
            now.calls + calls,
            now.input_tokens + input_tokens,
            now.output_tokens + output_tokens,
            now.cost + cost,
            now.seconds,
        )

    def _cost(self, model_name: str, input_tokens: int, output_tokens: int) -> float:
        self.check_price(model_name)
        price = self._price(model_name)
        return 0.0 if price is None else (input_tokens * price.input + output_tokens * price.output) / _MILLION

    def _price(self, model_name: str) -> Price | None:
        found = self._prices.get(model_name)
        if found is not None:
            return found
        names = [name for name in self._prices if _is_version_of(model_name, name)]
        return self._prices[max(names, key=len)] if names else None


def _is_version_of(model_name: str, name: str) -> bool:
    return model_name.startswith(name) and _VERSION.fullmatch(model_name, len(name)) is not None


_active: ContextVar[tuple[Budget, ...]] = ContextVar("azure_durable_py_budgets", default=())
_WORDS: dict[str, Callable[[float], str]] = {
    "tokens": lambda allowed: counted(int(allowed), "token"),
    "calls": lambda allowed: counted(int(allowed), "call"),
    "cost": lambda allowed: f"{allowed:g} of cost",
    "time": lambda allowed: f"{duration(allowed)} of time",
}


def _told(spent: Spent) -> str:
    return (
        f"{counted(spent.calls, 'call')}, {counted(spent.input_tokens, 'token')} in and {spent.output_tokens} out, "
        f"cost {spent.cost:g}, {duration(spent.seconds)}"
    )


# --- for who calls models ------------------------------------------------------------------------------


def before_call(model_name: str | None = None) -> None:
    """Ask whether a model may be called, and count the call. To be called before each, inside the orchestrator.

    :param model_name: which, so that nothing is paid for a call that cannot be counted; None: only the answer tells.
    :raises BudgetExceededError: an active budget is used up.
    :raises OrchestratorError: money is limited, and the model has no price.
    """
    check_budgets()
    if model_name is not None:
        for budget in _active.get():
            budget.check_price(model_name)
    for budget in _active.get():
        budget.count_call()


def check_budgets() -> None:
    """Look that something of every active budget is left.

    :raises BudgetExceededError: of one there is nothing.
    """
    for budget in _active.get():
        budget.check()


def money_is_limited() -> bool:
    """Whether an active budget limits what is paid, so that the price of each call has to be known."""
    return any(budget.is_of_money for budget in _active.get())


def after_call(model_name: str, input_tokens: int, output_tokens: int) -> None:
    """Count what a call of a model came to.

    :raises OrchestratorError: money is limited, and the model has no price.
    """
    for budget in _active.get():
        budget.count_answer(model_name, input_tokens, output_tokens)


def time_left() -> timedelta | None:
    """The shortest time that an active budget has left; None: time is not limited.

    A call that is still under way then is to be given up; `before_call` tells why.
    """
    left = [budget.time_left for budget in _active.get()]
    return min((each for each in left if each is not None), default=None)


async def in_time(call: Awaitable[_Answer]) -> _Answer:
    """Wait for a call of a model for as long as active budgets have time left; then it is given up, and cancelled.

    :raises BudgetExceededError: the time is over.
    """
    left = time_left()
    if left is None:
        return await call
    try:
        return await asyncio.wait_for(call, left.total_seconds())
    except asyncio.TimeoutError:
        check_budgets()
        raise
