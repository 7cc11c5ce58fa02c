"""`azure-durable start`: runs a function app on this machine."""

from __future__ import annotations

import logging
import sys
from contextlib import nullcontext
from pathlib import Path

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.hosting.local import DEFAULT_PORT

logger = logging.getLogger("azure_durable_py.lint")


@click.command(
    epilog=examples(
        "azure-durable start",
        "azure-durable start --reload --strict",
        "azure-durable start --port 7072 --storage memory ./my-app",
    )
)
@click.argument("app_dir", type=click.Path(path_type=Path), default=Path())
@click.option("--port", type=click.IntRange(0, 65535), help=f"Port of the HTTP server (default {DEFAULT_PORT}).")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--certfile",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Serve https with the certificate in this PEM file, and those that it was signed with. It is read again when "
    "it changes.",
)
@click.option(
    "--keyfile",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="PEM file with the key of the certificate, if --certfile has it not. The setting "
    "AZURE_DURABLE_KEYFILE_PASSWORD opens one that is encrypted.",
)
@click.option(
    "--storage",
    metavar="X",
    help="Where the task hub is: sqlite[:PATH], memory, azurite, or the name of an app setting that holds a "
    "connection. Default: AzureWebJobsStorage if it is set, else sqlite.",
)
@click.option(
    "--grace",
    type=click.FloatRange(0),
    metavar="SECONDS",
    default=10.0,
    show_default=True,
    help="How long to wait at Ctrl+C for what still runs.",
)
@click.option(
    "--enable-auth",
    is_flag=True,
    help="Ask for the keys of HTTP functions on a loopback address too. On any other --host they are asked for anyway.",
)
@click.option(
    "--trust-local/--no-trust-local",
    default=None,
    help="Let programs on this machine use the management API without a key. Default: on while they alone can reach "
    "the host. Turn it off if anything on this machine forwards requests of others.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="The origin under which others reach the host, such as https://app.example.com: links carry it. Default: the "
    "setting AZURE_DURABLE_PUBLIC_URL, else the address that a caller used, if it is one of this machine's.",
)
@click.option(
    "--as-durable-functions",
    is_flag=True,
    help="Serve `import azure.durable_functions` by this package, for an app that is not to be edited.",
)
@click.option(
    "--reload", is_flag=True, help="Start the app again whenever its code or settings change. Instances lose nothing."
)
@click.option(
    "--strict",
    is_flag=True,
    help="For development: replay each turn as soon as it is taken, so that code which does something else on replay "
    "fails at once, and tell at start what `azure-durable lint` finds.",
)
@click.option("--supervised", is_flag=True, hidden=True)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the log is written: lines for people, or an object of JSON a line, with the fields of OpenTelemetry.",
)
@click.option(
    "--log-file/--no-log-file",
    default=True,
    help="Keep the newest 16 MB of the log in .azure-durable/logs, for `azure-durable logs`. Default: on.",
)
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Log everything: each turn, activity, request and call of storage. Has precedence over host.json.",
)
def start(
    app_dir: Path,
    port: int | None,
    host: str,
    certfile: Path | None,
    keyfile: Path | None,
    storage: str | None,
    grace: float,
    enable_auth: bool,
    trust_local: bool | None,
    public_url: str | None,
    as_durable_functions: bool,
    reload: bool,
    strict: bool,
    supervised: bool,
    log_format: str,
    log_file: bool,
    verbose: bool,
) -> None:
    """Serve the function app in APP_DIR (default: here) until Ctrl+C.

    Runs its orchestrations, activities, entities, HTTP and timer functions, without the Functions
    host. Reads host.json and local.settings.json as Core Tools do. An app without function_app.py is
    made up of the folders that have a function.json.
    """
    # Usage and help need none of the engine, which takes a while to import.
    from azure_durable_py.hosting.local.console import configure_logging
    from azure_durable_py.hosting.local.host import Options
    from azure_durable_py.hosting.local.log_file import kept_log
    from azure_durable_py.hosting.local.running import run
    from azure_durable_py.stand_in import install_as_durable_functions

    configure_logging(logging.DEBUG if verbose else logging.INFO, log_format, app_dir.resolve().name)
    if reload:
        from azure_durable_py.cli.reload import run_again_at_changes

        sys.exit(run_again_at_changes(app_dir, host, port, storage))
    if as_durable_functions:
        install_as_durable_functions()
    options = Options(
        app_dir,
        host,
        port,
        storage,
        grace,
        certfile,
        keyfile,
        enable_auth,
        trust_local,
        public_url,
        verbose=verbose,
        log_format=log_format,
        strict=strict,
    )
    if strict:
        _warn_of_findings(app_dir)
    with kept_log(app_dir) if log_file else nullcontext():
        run(options, supervised=supervised)


def _warn_of_findings(app_dir: Path) -> None:
    """Tell what the linter finds in an app; whatever it is, the app is started."""
    from azure_durable_py.errors import SettingsError
    from azure_durable_py.lint import lint_app
    from azure_durable_py.lint.reports import shown_path

    try:
        findings = lint_app(app_dir)
    except (OSError, SettingsError) as error:
        logger.warning("The code of the app is not linted: %s", error)
        return
    for found in findings:
        logger.warning(
            "%s:%d:%d: %s %s",
            shown_path(found.path, app_dir.resolve()),
            found.line,
            found.column,
            found.code,
            found.text,
        )
    logger.info("Linted the code of the app: %s.", "nothing found" if not findings else f"{len(findings)} found")
