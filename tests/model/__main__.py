"""Check the protocol: every state that a budget of faults can lead to, breadth first.

    python -m tests.model --config two --faults 2 --lost 1 --back 0
    python -m tests.model --config work --faults 1 --variant work-unfenced --trace

A line says whether all properties hold (`properties.py` names them S1 to S6), in how many states and seconds of
processor time. `--trace` adds the shortest way to break each that does not; `!` marks a fault. A search of a million
states takes a minute or two and about 2 GB. To try a change of protocol, add a switch and a variant in `rules.py`; to
try what may happen to an instance, a scenario in `scenarios.py`.

The model is one sender with two workers that are alike, targets that take their rows as soon as they are rung (the
worst case), and storage that loses, delays and repeats. Loads are atomic; time is what may happen next. A worker loads
in the same step in which it receives, unless the message expires in between, and a refusal that is waited for is no
step. How long two times are apart is no part of it: by `V4` an alarm that comes one tick early is kept in hand, by
`far` it is armed anew.
"""

from __future__ import annotations

import argparse

from tests.model.rules import VARIANTS
from tests.model.scenarios import SCENARIOS
from tests.model.search import Result, explore
from tests.model.state import Budget


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.model", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--config", choices=SCENARIOS, default="two", help="what happens to the sender")
    parser.add_argument("--variant", choices=VARIANTS, default="V4", help="the rules")
    parser.add_argument("--faults", type=int, default=0, help="crashes and expiries")
    parser.add_argument("--lost", type=int, default=0, help="lost and late answers")
    parser.add_argument("--back", type=int, default=0, help="times that everything in hand is put back")
    parser.add_argument("--skew", type=int, default=0, help="times that somebody's clock is apart")
    parser.add_argument("--max", type=int, default=3_000_000, help="states to stop at")
    parser.add_argument("--stop", default="", help="properties, with commas: end at the first that breaks")
    parser.add_argument("--trace", action="store_true", help="show the shortest counterexample of each property")
    options = parser.parse_args()
    budget = Budget(options.faults, options.lost, options.back, options.skew)
    stop = frozenset(filter(None, options.stop.split(",")))
    result = explore(VARIANTS[options.variant], SCENARIOS[options.config], budget, options.max, stop)
    print(summary(options.variant, f"{options.config} {'+'.join(map(str, budget))}", result))
    if options.trace:
        for name in sorted(result.broken):
            found = result.broken[name]
            print(f"{found.wrong} ({len(found.steps)} steps)", *found.steps, sep="\n    ")


def summary(variant: str, where: str, result: Result) -> str:
    size = f"{result.states:,} states, {result.seconds:.1f} s" + ("" if result.complete else ", not all of them")
    if result.broken:
        return f"{variant} [{where}]: breaks {', '.join(sorted(result.broken))} in {size}"
    return f"{variant} [{where}]: {'holds' if result.complete else 'nothing broken so far'} in {size}"


if __name__ == "__main__":
    main()
