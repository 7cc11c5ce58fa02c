"""The deployment examples are well formed, and agree with the app that they deploy.

Checked by tools that need no account: the Bicep grammar of tree-sitter (syntax alone: Azure itself has the last
word on resource types), hadolint, and the schemas of Kubernetes. The kinds that KEDA adds have no schema here.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from azure_durable_py.taskhub.naming import QueueNames

ROOT = Path(__file__).parent.parent.parent
BICEP = (ROOT / "infra" / "main.bicep").read_text(encoding="utf-8")


def _tool(name: str) -> Any:
    """A checker of the dev group, which has no release for every interpreter."""
    return pytest.importorskip(name, reason=f"{name} is not installed: run `make setup`")


def _manifests() -> list[dict[str, Any]]:
    text = (ROOT / "deploy" / "kubernetes.yaml").read_text(encoding="utf-8")
    return list(_tool("yaml").safe_load_all(text))


def _errors(node: Any) -> Iterator[str]:
    if node.type == "ERROR" or node.is_missing:
        yield f"line {node.start_point[0] + 1}: {node.text[:60]!r}"
    for child in node.children:
        yield from _errors(child)


def test_the_bicep_template_has_no_syntax_error():
    tree_sitter, grammar = _tool("tree_sitter"), _tool("tree_sitter_bicep")
    tree = tree_sitter.Parser(tree_sitter.Language(grammar.language())).parse(BICEP.encode())
    assert list(_errors(tree.root_node)) == []


def test_the_bicep_template_uses_only_what_it_declares():
    declared = set(re.findall(r"^\s*(?:param|var|resource)\s+(\w+)", BICEP, re.MULTILINE))
    used = set(re.findall(r"\b(\w+)\.(?:id|name|properties|identity)\b", BICEP))
    assert used <= declared | {"role", "principalId"}


def test_the_identity_of_the_app_has_the_roles_that_the_host_and_the_hub_need():
    roles = dict(re.findall(r"(storage\w+): '([0-9a-f-]{36})'", BICEP))
    assert roles == {
        "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        "storageQueueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
        "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    }


def test_the_template_holds_no_key():
    assert not re.search(r"listKeys|AccountKey|SharedAccessSignature", BICEP)
    assert "allowSharedKeyAccess: false" in BICEP


def test_the_dockerfile_passes_its_linter():
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed: run `make setup`")
    command = [hadolint, "--no-color", "--failure-threshold", "info", ROOT / "deploy" / "Dockerfile"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout == ""


def test_the_dockerfile_copies_only_what_there_is():
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    sources = [name for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE) for name in line.split()]
    assert [name for name in sources if not (ROOT / name).exists()] == []


def test_the_manifests_keep_to_the_schemas_of_kubernetes():
    kubernetes_validate = _tool("kubernetes_validate")
    newest = kubernetes_validate.latest_version()
    core = [manifest for manifest in _manifests() if not manifest["apiVersion"].startswith("keda.sh/")]
    assert {manifest["kind"] for manifest in core} == {"ServiceAccount", "Deployment", "Service"}
    for manifest in core:
        kubernetes_validate.validate(manifest, newest, strict=True)


def test_keda_scales_the_deployment_on_both_queues_of_the_sample_hub():
    manifests = {manifest["kind"]: manifest for manifest in _manifests()}
    scaled = manifests["ScaledObject"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == manifests["Deployment"]["metadata"]["name"]
    hub = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["extensions"]["durableTask"]["hubName"]
    assert {trigger["metadata"]["queueName"] for trigger in scaled["triggers"]} == set(QueueNames(hub, 1).all)
    names = {trigger["authenticationRef"]["name"] for trigger in scaled["triggers"]}
    assert names == {manifests["TriggerAuthentication"]["metadata"]["name"]}


def test_the_command_of_the_container_is_one_that_the_command_line_knows():
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    _, command, *arguments = json.loads(re.findall(r"^CMD (.+)$", text, re.MULTILINE)[0])
    cli = importlib.import_module("azure_durable_py.cli.commands").cli
    start = cli.get_command(click.Context(cli), command)
    context = start.make_context(command, arguments)
    assert context.params["host"] == "0.0.0.0"


DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")


def _pod() -> dict[str, Any]:
    [deployment] = [manifest for manifest in _manifests() if manifest["kind"] == "Deployment"]
    return deployment["spec"]["template"]["spec"]


def _container() -> dict[str, Any]:
    [container] = _pod()["containers"]
    return container


def test_kubernetes_asks_the_probes_that_the_host_answers():
    from azure_durable_py.hosting.local.health import LIVENESS, READINESS

    container = _container()
    [port] = container["ports"]
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: probe["path"] for name, probe in asked.items()} == {
        "startupProbe": LIVENESS,
        "livenessProbe": LIVENESS,
        "readinessProbe": READINESS,
    }
    assert {probe["port"] for probe in asked.values()} == {port["containerPort"]}


def test_code_that_keeps_the_loop_for_as_long_as_it_may_is_not_killed_for_it():
    from azure_durable_py.settings import Settings

    probe = _container()["livenessProbe"]
    assert probe["periodSeconds"] * (probe["failureThreshold"] - 1) > Settings().max_turn_time


def test_a_pod_has_as_long_to_end_as_the_host_takes():
    from azure_durable_py.hosting.local.host import Options
    from azure_durable_py.hosting.local.running import STORAGE_GRACE

    pause = _container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    longest = pause + 3 * Options(Path()).grace + STORAGE_GRACE
    assert _pod()["terminationGracePeriodSeconds"] >= longest


def test_a_pod_may_do_next_to_nothing():
    pod, container = _pod()["securityContext"], _container()["securityContext"]
    user = re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)
    assert [str(pod["runAsUser"])] == user
    assert pod["runAsNonRoot"] is True
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_what_the_host_writes_is_on_volumes():
    from azure_durable_py.taskhub.storage import DATA_DIR

    [directory] = re.findall(r"^WORKDIR (\S+)$", DOCKERFILE, re.MULTILINE)
    mounted = {mount["mountPath"]: mount["name"] for mount in _container()["volumeMounts"]}
    assert set(mounted) == {"/tmp", f"{directory}/{DATA_DIR}"}
    assert set(mounted.values()) == {volume["name"] for volume in _pod()["volumes"]}
    assert re.search(rf"install -d -o 1000 -g 1000 {re.escape(DATA_DIR)}$", DOCKERFILE, re.MULTILINE)


def test_the_image_is_built_on_one_that_is_pinned():
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    assert [base for base in bases if not re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+[\w-]*@sha256:[0-9a-f]{64}", base)] == []


def test_the_image_asks_whether_the_host_lives():
    from azure_durable_py.hosting.local.health import LIVENESS

    [command] = re.findall(r"^HEALTHCHECK .*?CMD (\[.*?\])$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    python, dash_c, code = json.loads(command)
    assert (python, dash_c) == ("python", "-c")
    [port] = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)
    assert f"http://127.0.0.1:{port}{LIVENESS}" in code
    compile(code, "the command", "exec")
