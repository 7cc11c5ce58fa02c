"""host.json and local.settings.json as files: syntax, precedence, bad content."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from azure_durable_py.appsettings import app_settings, read_host_json, read_local_settings
from azure_durable_py.errors import SettingsError
from azure_durable_py.json_files import parse_json


def write(directory: Path, name: str, text: str) -> None:
    (directory / name).write_text(text, encoding="utf-8")


def test_missing_files_mean_no_settings(tmp_path: Path) -> None:
    assert read_host_json(tmp_path, {}) == {}
    local = read_local_settings(tmp_path)
    assert (dict(local.values), local.port, local.cors) == ({}, None, ())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1} // end', {"a": 1}),
        ('{/* one\n two */"a": "//not /* a */ comment"}', {"a": "//not /* a */ comment"}),
        ('{"a": [1, 2, ], }', {"a": [1, 2]}),
        ('{"a": "x,]", "b": "\\",}"}', {"a": "x,]", "b": '",}'}),
    ],
)
def test_comments_and_trailing_commas_are_accepted(text: str, value: Any) -> None:
    assert parse_json(text, "host.json") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n  // why\n  "a": nope\n}', r"host\.json, line 3, column 8 is not valid JSON"),
        ('{"a": 1', "line 1, column 8"),
        ("[1]", "must hold a JSON object, not an array"),
        ("[" * 100_000, "nested too deeply|not valid JSON"),
    ],
)
def test_bad_json_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "host.json", text)
    with pytest.raises(SettingsError, match=message):
        read_host_json(tmp_path, {})


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(SettingsError, match="cannot be read"):
        read_host_json(tmp_path, {})


def test_an_app_setting_overrides_host_json(tmp_path: Path) -> None:
    write(tmp_path, "host.json", '{"extensions": {"durableTask": {"hubName": "A", "maxOrchestrationActions": 5}}}')
    settings = {
        "AzureFunctionsJobHost__extensions__durabletask__HubName": "B",
        "AzureFunctionsJobHost:extensions:http:routePrefix": "v2",
        "AzureFunctionsJobHostage": "x",
    }
    assert read_host_json(tmp_path, settings) == {
        "extensions": {"durableTask": {"hubName": "B", "maxOrchestrationActions": 5}, "http": {"routePrefix": "v2"}}
    }


def test_local_settings_give_values_connections_and_host_options(tmp_path: Path) -> None:
    write(
        tmp_path,
        "local.settings.json",
        """{
          "IsEncrypted": false,
          "Values": {"A": "x", "N": 5, "T": true, "E": null},
          "ConnectionStrings": {"Sql": "s", "Other": {"ConnectionString": "o", "ProviderName": "p"}},
          "Host": {"LocalHttpPort": 7072, "CORS": "http://a.example/, http://b.example", "CORSCredentials": true}
        }""",
    )
    local = read_local_settings(tmp_path)
    assert local.values == {
        "A": "x",
        "N": "5",
        "T": "true",
        "E": "",
        "ConnectionStrings__Sql": "s",
        "ConnectionStrings__Other": "o",
    }
    assert (local.port, local.cors, local.cors_credentials) == (7072, ("http://a.example", "http://b.example"), True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"IsEncrypted": true}', "is encrypted. Run `func settings decrypt`"),
        ('{"Values": []}', "Values must be an object of names and values, not an array"),
        ('{"Values": {"A": {"B": 1}}}', r"Values\.A must be a string, not an object"),
        ('{"Host": {"LocalHttpPort": "x"}}', "LocalHttpPort is 'x'; accepted is a port number"),
        ('{"Host": {"CORS": 5}}', "CORS is 5"),
    ],
)
def test_bad_local_settings_are_refused(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "local.settings.json", text)
    with pytest.raises(SettingsError, match=message):
        read_local_settings(tmp_path)
    with pytest.raises(SettingsError, match=re.escape(str(tmp_path))):
        read_local_settings(tmp_path)


def test_the_environment_wins_over_local_settings_unless_it_is_empty(tmp_path: Path) -> None:
    write(tmp_path, "local.settings.json", '{"Values": {"A": "file", "B": "file", "C": "file"}}')
    settings = app_settings(read_local_settings(tmp_path), {"A": "env", "B": "", "D": "env"})
    assert settings == {"A": "env", "B": "file", "C": "file", "D": "env"}
