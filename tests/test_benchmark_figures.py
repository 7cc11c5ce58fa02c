"""Figures, ratios and fits; and texts that say what was measured, and nothing else."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import pytest

from benchmarks import figures, results
from benchmarks.figures import Figure, Machine, Run, Source, exponent, quantile

OURS, BARE, PEER = "azure_durable_py on SQLite", "bare SQLite", "peer"


def throughput(system: str, *values: float, size: int = 200, against: str = "") -> Figure:
    return Figure("hello_cities", size, system, "instances/s", "higher", values, against=against)


def run_of(*measured: Figure, source: Source = "ours") -> Run:
    machine = Machine("a processor", 2, 4.0, "ext4 on a virtual disk", "Linux")
    versions = {"aiohttp": "3.0"}
    return Run(
        source, "2026-11-30T18:00:00Z", 600.0, "make bench", "0123456789", 3, machine, "3.11.7", versions, measured
    )


# --- figures ---------------------------------------------------------------------------------------------


def test_a_figure_is_the_median_of_its_rounds():
    figure = throughput(OURS, 300.0, 100.0, 200.0)
    assert (figure.least, figure.median, figure.most, figure.median_p99) == (100.0, 200.0, 300.0, None)


def test_a_figure_without_a_value_is_refused():
    with pytest.raises(ValueError, match="has no value"):
        throughput(OURS)


def test_of_a_latency_each_round_gives_its_median_and_its_p99():
    figure = Figure.of_latencies("alone", 1, OURS, [list(range(101)), [200.0]])
    assert figure.values == (50, 200.0)
    assert figure.p99 == (99, 200.0)
    assert (figure.median, figure.median_p99) == (125.0, 149.5)
    assert figure.better == "lower"


def test_a_latency_has_a_p99_for_each_round():
    with pytest.raises(ValueError, match="2 values and 1 p99"):
        Figure("alone", 1, OURS, "ms", "lower", (1.0, 2.0), p99=(3.0,))


@pytest.mark.parametrize(("better", "ratio"), [("higher", 2.0), ("lower", 0.5)])
def test_a_ratio_says_how_many_times_better_it_is(better: figures.Better, ratio: float):
    ours = Figure("chain", 10, OURS, "x", better, (4.0,))
    other = dataclasses.replace(ours, system=PEER, values=(2.0,))
    assert ours.ratio_to(other) == ratio


def test_different_quantities_have_no_ratio():
    with pytest.raises(ValueError, match="is no measure of"):
        throughput(OURS, 1.0).ratio_to(throughput(PEER, 1.0, size=2000))


@pytest.mark.parametrize(("share", "value"), [(0, 1.0), (0.5, 2.5), (0.99, 3.97), (1, 4.0)])
def test_a_quantile_lies_in_proportion_between_two_values(share: float, value: float):
    assert quantile([4.0, 2.0, 1.0, 3.0], share) == pytest.approx(value)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_growth_is_the_exponent_of_size(power: float):
    points = [(size, 3.0 * size**power) for size in (100, 1000, 100_000)]
    assert exponent(points) == pytest.approx(power, abs=1e-9)


def test_one_size_says_nothing_of_growth():
    with pytest.raises(ValueError, match="two sizes"):
        exponent([(100, 1.0), (100, 2.0)])


def test_a_run_is_read_as_it_was_written(tmp_path: Path):
    run = run_of(throughput(OURS, 455.25), Figure.of_latencies("alone", 1, OURS, [[1.0, 2.0]]))
    figures.write({"ours": run}, tmp_path / "results.json")
    assert figures.read(tmp_path / "results.json") == {"ours": run}
    assert figures.read(tmp_path / "no.json") == {}


# --- the page --------------------------------------------------------------------------------------------


def test_a_run_replaces_the_one_before_it_from_its_source_only(tmp_path: Path):
    def record(run: Run) -> str:
        results.record(run, results=tmp_path / "results.json", page=tmp_path / "RESULTS.md")
        return (tmp_path / "RESULTS.md").read_text(encoding="utf-8")

    record(run_of(throughput(OURS, 111.0)))
    record(run_of(throughput(OURS, 222.0), source="peers"))
    page = record(run_of(throughput(OURS, 333.0)))
    assert [text in page for text in ("| 111 |", "| 222 |", "| 333 |")] == [False, True, True]
    assert page.index("## Ours, beside what storage allows") < page.index("## Ours, beside its peers")


def test_a_row_says_how_near_it_comes_to_its_limit():
    page = results.page_of({"ours": run_of(throughput(OURS, 100.0, 80.0, 90.0, against=BARE), throughput(BARE, 120.0))})
    assert f"| 200 | {OURS} | 90 | 80 to 100 | {BARE} | 0.75 |" in page
    assert f"| 200 | {BARE} | 120 |  |  |  |" in page


def test_a_latency_has_its_p99_beside_it():
    page = results.page_of({"ours": run_of(Figure.of_latencies("alone", 1, OURS, [[1.0, 3.0]]))})
    assert "| size | system | ms (lower is better) | least and most | p99 |" in page
    assert f"| 1 | {OURS} | 2 |  | 2.98 |" in page


def test_beside_peers_the_best_of_them_counts():
    run = run_of(throughput(OURS, 300.0), throughput("slow", 50.0), throughput("good", 150.0), source="peers")
    assert "| hello_cities, instances/s | 200 | 300 | 150 | good | 2.00 |" in results.page_of({"peers": run})


def test_a_page_says_how_to_measure_again():
    page = results.page_of({"ours": run_of(throughput(OURS, 1.0))})
    for said in ("`make bench`", "commit `0123456789`", "a processor, 2 cores, 4 GiB", "Python 3.11.7, aiohttp 3.0"):
        assert said in page


def test_growth_is_told_where_there_are_three_sizes():
    flat = [throughput(OURS, 100.0, size=size) for size in (10, 100, 1000)]
    slower = [throughput(PEER, 1000.0 / size, size=size) for size in (10, 100, 1000)]
    page = results.page_of({"ours": run_of(*flat, *slower)})
    assert f"| hello_cities, instances/s, {OURS} | 10 to 1,000 | +0.00 | 1.00 |" in page
    assert f"| hello_cities, instances/s, {PEER} | 10 to 1,000 | +1.00 | 100.00 |" in page
    assert "![hello_cities, by size](charts/ours-hello-cities.svg)" in page
    assert "### Growth" not in results.page_of({"ours": run_of(*flat[:2])})


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0123456, "0.0123"), (1.0, "1"), (99.95, "100"), (455.4, "455"), (12345.0, "12,300")]
)
def test_a_number_has_three_digits(value: float, shown: str):
    assert results.number(value) == shown


def test_a_ratio_to_nothing_is_infinite():
    assert math.isinf(throughput(OURS, 1.0).ratio_to(throughput(BARE, 0.0)))


# --- what is checked in ----------------------------------------------------------------------------------


def test_the_block_of_the_readme_is_between_its_marks():
    text = f"before\n{results.BEGIN}old{results.END}\nafter\n"
    filled = results.with_block(text, results.block_of({"peers": run_of(throughput(OURS, 455.0), source="peers")}))
    assert "| hello_cities, instances/s | 200 | 455 |" in filled
    assert filled.startswith("before\n")
    assert filled.endswith("\nafter\n")
    assert "old" not in filled


def test_a_readme_without_marks_is_refused():
    with pytest.raises(ValueError, match="no place for the figures"):
        results.with_block("nothing", "block")


def test_the_readme_carries_the_figures_of_the_newest_run():
    block = results.in_readme(results.README.read_text(encoding="utf-8"))
    if block is None:
        pytest.skip("the README has no block of figures yet")
    assert block == results.block_of(figures.read()), "write it: python -m benchmarks --readme"


def test_the_page_of_results_carries_the_figures_of_the_newest_runs():
    runs = figures.read()
    if not runs:
        pytest.skip("no run is checked in yet")
    page = results.PAGE.read_text(encoding="utf-8")
    assert page == results.page_of(runs)
    drawn = re.findall(r"\]\((charts/[\w.-]+)\)", page)
    assert [name for name in drawn if not (results.PAGE.parent / name).exists()] == []
