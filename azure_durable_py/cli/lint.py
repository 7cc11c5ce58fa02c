"""`azure-durable lint`: what in the code of an app would not survive a replay."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.output import Output
from azure_durable_py.escaping import escaped
from azure_durable_py.lint import LintFinding, LintSettings, Rule, lint_paths
from azure_durable_py.lint.reports import github_line, json_report, sarif_report, shown_path, text_line
from azure_durable_py.lint.rules import RULES
from azure_durable_py.lint.settings import settings_for, unknown_codes

_BY_CODE = {rule.code: rule for rule in RULES}


@click.command(
    epilog=examples(
        "azure-durable lint",
        "azure-durable lint function_app.py --ignore DF001",
        "azure-durable lint --format sarif > lint.sarif",
        "azure-durable lint --explain DF001",
    )
)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--select", multiple=True, metavar="CODES", help="Tell only these, as DF001,DF002 or how they begin.")
@click.option("--ignore", multiple=True, metavar="CODES", help="Do not tell these, beside those of the settings.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="How to print findings.",
)
@click.option("--statistics", is_flag=True, help="Print how many there are of each code, not where.")
@click.option("--explain", metavar="CODE", help="Print what a rule is about, with an example, and lint nothing.")
def lint(
    paths: tuple[Path, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    form: str,
    statistics: bool,
    explain: str | None,
) -> None:
    """Find code in orchestrators and entities that a replay would not survive.

    PATHS are files and directories (default: here). The code is read, and never imported or run. A helper is looked at
    because of the orchestrator that calls it: give the directory of the app rather than single files. `# noqa: DF001`
    lets a line pass; settings are in [tool.azure-durable.lint] of pyproject.toml. It ends with 1 where something was
    found.
    """
    out = Output(as_json=form != "text")
    if explain is not None:
        _explain(out, _rule(explain))
        return
    settings = _settings(paths, _codes("--select", select), _codes("--ignore", ignore))
    with _without_collector():
        findings = lint_paths(paths or (Path(),), settings)
    base = Path.cwd()
    if statistics:
        _count(out, findings)
    elif form == "json":
        out.json(json_report(findings, base))
    elif form == "sarif":
        out.json(sarif_report(findings, RULES, base))
    elif form == "github":
        for found in findings:
            out.line(github_line(found, base))
    else:
        _tell(out, findings, base)
    if findings:
        files = len({found.path for found in findings})
        raise CommandError(f"{_number(len(findings), 'finding')} in {_number(files, 'file')}.", ExitCode.did_not_work)


@contextmanager
def _without_collector() -> Generator[None, None, None]:
    """Syntax trees are many objects, all of which are needed to the end: looking for others among them takes long."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _settings(paths: Sequence[Path], select: tuple[str, ...], ignore: tuple[str, ...]) -> LintSettings:
    """Those of the pyproject.toml that is nearest to the first path, changed by what was given."""
    first = (paths[0] if paths else Path()).absolute()
    settings = settings_for(first if first.is_dir() else first.parent, _BY_CODE)
    return replace(settings, select=select or settings.select, ignore=(*settings.ignore, *ignore))


def _codes(option: str, given: Iterable[str]) -> tuple[str, ...]:
    codes = tuple(code.strip() for text in given for code in text.split(","))
    for code in unknown_codes(codes, _BY_CODE):
        raise click.UsageError(f"{option}: there is no rule {code!r}. There are {', '.join(_BY_CODE)}.")
    return codes


def _rule(code: str) -> Rule:
    rule = _BY_CODE.get(code.upper())
    if rule is None:
        raise click.UsageError(f"There is no rule {code!r}. There are {', '.join(_BY_CODE)}.")
    return rule


def _number(count: int, what: str) -> str:
    return f"{count} {what if count == 1 else f'{what}s'}"


# --- for people ------------------------------------------------------------------------------------


def _tell(out: Output, findings: Sequence[LintFinding], base: Path) -> None:
    """A line for each finding, then once for each rule why it is one, and the mend."""
    for found in findings:
        _tell_one(out, found, base)
    for rule in dict.fromkeys(found.rule for found in sorted(findings, key=lambda found: found.code)):
        out.heading(f"{rule.code} {rule.name}")
        out.line(rule.why)
        out.line(rule.mend)
    if not findings:
        out.note("Nothing was found.")


def _tell_one(out: Output, found: LintFinding, base: Path) -> None:
    if not out.on_terminal:
        out.line(text_line(found, base))
        return
    from rich.text import Text

    path, place = (escaped(shown_path(found.path, base)), "bold"), (f":{found.line}:{found.column}:", "cyan")
    code = (f" {found.code} ", "bold red")
    out.console.print(Text.assemble(path, place, code, escaped(found.text)), soft_wrap=True)


def _count(out: Output, findings: Iterable[LintFinding]) -> None:
    counts = Counter(found.code for found in findings)
    rows = [
        (counts[code], code, _BY_CODE[code].name) for code in sorted(counts, key=lambda code: (-counts[code], code))
    ]
    if out.as_json:
        out.json([{"count": count, "code": code, "name": name} for count, code, name in rows])
    else:
        out.table(("COUNT", "CODE", "RULE"), rows, empty="Nothing was found.")


def _explain(out: Output, rule: Rule) -> None:
    if out.as_json:
        out.json({"code": rule.code, "name": rule.name, "why": rule.why, "mend": rule.mend})
        return
    out.styled(f"{rule.code} {rule.name}", "bold")
    out.line(rule.why)
    out.line(rule.mend)
    for title, code in (("Not so", rule.bad), ("But so", rule.good)):
        out.heading(title)
        out.block(code)
