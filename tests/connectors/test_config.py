"""Configuration: the project file's :config, variables filled in by those who may read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowmetal.connectors.config import ConfigConnector
from flowmetal.effects.requests import EffectFailed
from flowmetal.runtime.grants import RunGrants, parse_grants
from flowmetal.values import pr_str
from tests.connectors.calls import ALL, call, perform


def read(file: Path, text: str, grants: RunGrants = ALL, **variables: str) -> str:
    file.write_text(text)
    connector = ConfigConnector({"FLOWMETAL_CONFIG": str(file), **variables})
    return pr_str(perform(connector, call("config/read", grants)))


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ("{:a 1 :b [#{:c}]}", "{:a 1, :b [#{:c}]}"),
        ('{:url #env "URL"}', '{:url "u"}'),
        ('{:in [#env "URL"]}', '{:in ["u"]}'),
        ('{:in (1 #env "URL")}', '{:in (1 "u")}'),
        ('{:port #env ["PORT" 1] :no #env ["NO" 8080]}', "{:port 90, :no 8080}"),
        ('{:on #env ["ON" false]}', "{:on true}"),
        ('{:mode #env ["MODE" :slow]}', "{:mode :fast}"),
        ('{:nothing #env ["NO" nil]}', "{:nothing nil}"),
        ('{#env "URL" 1}', '{"u" 1}'),
        ('{:port #env ["NO" #env ["PORT" 1]]}', "{:port 90}"),
        ('{:key #secret "k"}', '{:key #secret "k"}'),
    ],
)
def test_variables_take_their_places(tmp_path: Path, config: str, found: str) -> None:
    variables = {"URL": "u", "PORT": "90", "ON": "TRUE", "MODE": "fast"}
    assert read(tmp_path / "flow.edn", f"{{:config {config}}}", **variables) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "it is not one map"),
        ("{} {}", "it is not one map"),
        ("{:config 1}", ":config is not a map"),
        ("{:config {", "never closed"),
        ("{:config {:a #env 5}}", "#env takes a name"),
        ('{:config {:a #env ["A" 1 2]}}', "#env takes a name"),
        ("{:config {:a #unknown 5}}", "unknown tag #unknown"),
        ('{:config {:a #env ["URL" 5]}}', "URL must be a number"),
        ('{:config {:a #env ["URL" true]}}', "URL must be true or false"),
        ('{:config {:a #env ["EMPTY" :slow]}}', "EMPTY must be a keyword"),
        ('{:config {:a #env ["WORDS" :slow]}}', "WORDS must be a keyword"),
        ('{:config {:a #env ["BYTES" 5]}}', "BYTES must be a number"),
        ('{:config {:a #env "NONE"}}', "NONE"),
        ('{:config {:a #env "FLOWMETAL_SECRET_A_KEY"}}', 'write #secret "a-key"'),
        ("{:config {:a " + "[" * 200 + "]" * 200 + "}}", "nested"),
    ],
)
def test_what_is_of_no_use_is_said_with_the_file(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(EffectFailed) as caught:
        read(tmp_path / "flow.edn", text, URL="u", EMPTY="", WORDS="a b", BYTES="\udcff")
    assert caught.value.error.code == ("FM0725" if "NONE" in text else "FM0724")
    message = caught.value.error.message
    assert message is not None
    assert why in message
    assert "flow.edn" in message


def test_a_file_that_is_not_there_or_is_no_text_is_said(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(EffectFailed) as caught:
            perform(ConfigConnector({"FLOWMETAL_CONFIG": str(path)}), call("config/read"))
        assert caught.value.error.type.text == "config/unreadable"


def test_each_variable_needs_its_grant(tmp_path: Path) -> None:
    text = '{:config {:a #env "A" :b #env ["B" 1]}}'
    grants = parse_grants(env=["A"])
    with pytest.raises(EffectFailed) as caught:
        read(tmp_path / "flow.edn", text, grants, A="1")
    assert "--allow-env=B" in str(caught.value.error.message)


def test_the_nearest_project_file_above_is_read(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "flow.edn").write_text("{:config {:a 1}}")
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path / "src")
    assert pr_str(perform(ConfigConnector({}), call("config/read"))) == "{:a 1}"
