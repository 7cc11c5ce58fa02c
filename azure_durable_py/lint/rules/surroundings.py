"""Surroundings: what differs from one machine, process or deployment to the next."""

from __future__ import annotations

from collections.abc import Iterator

from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.full_names import Names
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import shown, uses
from azure_durable_py.lint.rules.examples import example

ENVIRONMENT = Rule(
    code="DF004",
    name="environment",
    why="A replay may run on another machine, in another process or with other settings, and finds other values.",
    mend="Pass it with the input, or read it in an activity, whose result the history keeps.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def charge(context: df.DurableOrchestrationContext):
    bank = os.environ["BANK"]
    return await context.call_activity("charge", [bank, context.get_input()])
""",
        "import os",
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def charge(context: df.DurableOrchestrationContext):
    bank = await context.call_activity(read_bank)
    return await context.call_activity("charge", [bank, context.get_input()])


@bp.activity_trigger(input_name="nothing")
def read_bank(nothing: None) -> str:
    return os.environ["BANK"]
""",
        "import os",
    ),
)
RULES = (ENVIRONMENT,)

_SURROUNDINGS = Names(
    "os.environ*",
    "os.environb*",
    "os.getenv",
    "os.getenvb",
    "os.getcwd",
    "os.getcwdb",
    "os.getpid",
    "os.getppid",
    "os.getlogin",
    "os.getuid",
    "os.uname",
    "os.cpu_count",
    "os.process_cpu_count",
    "os.getloadavg",
    "os.path.expanduser",
    "os.path.expandvars",
    "pathlib.Path.cwd",
    "pathlib.Path.home",
    "getpass.getuser",
    "platform.*",
    "psutil.*",
    "socket.gethostname",
    "socket.getfqdn",
    "locale.getlocale",
    "locale.getdefaultlocale",
    "locale.getpreferredencoding",
    "locale.localeconv",
    "sys.argv",
    "threading.get_ident",
    "threading.current_thread*",
    "multiprocessing.cpu_count",
    "multiprocessing.current_process*",
    "dotenv.*",
    "decouple.config",
)


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Uses of what the process and the machine are."""
    del project
    if function.kind != "orchestrator":
        return
    for node, name in uses(function, _SURROUNDINGS):
        yield function.finding(ENVIRONMENT, node, f"{shown(node, name)} may be another where it is replayed")
