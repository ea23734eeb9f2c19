from __future__ import annotations

import subprocess
import sys

import pytest

from flowmetal.cli.fmc import group as fmc
from flowmetal.cli.fmvm import group as fmvm

VERBS = [(group, name) for group in (fmc, fmvm) for name in group.verbs]


def test_help_of_a_program_loads_no_verb() -> None:
    code = (
        "import sys; from flowmetal.cli.fmvm import group\n"
        "group.main(['--help'], standalone_mode=False)\n"
        "loaded = [m for m in sys.modules if m.startswith('flowmetal.')]\n"
        "assert set(loaded) <= {'flowmetal._version', 'flowmetal.cli', 'flowmetal.cli.lazy',"
        " 'flowmetal.cli.fmvm', 'flowmetal.cli.output'}, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(("group", "name"), VERBS, ids=[f"{g.name}-{n}" for g, n in VERBS])
def test_help_of_every_verb_has_an_example(shell, group, name) -> None:
    shown = shell(group.name, name, "--help")
    assert shown.status == 0
    assert f"Example: {group.name} {name}" in shown.out


@pytest.mark.parametrize(("group", "name"), VERBS, ids=[f"{g.name}-{n}" for g, n in VERBS])
def test_every_verb_that_shows_something_prints_json(group, name) -> None:
    import click

    command = group.get_command(click.Context(group), name)
    options = {option for parameter in command.params for option in parameter.opts}
    shows_nothing = ("interpreter", "serve", "repl", "fmt", "lsp")
    assert "--json" in options or name in shows_nothing


def test_an_unknown_verb_is_named_with_the_nearest_one(shell) -> None:
    shown = shell("fmvm", "resum", "x")
    assert shown.status == 2
    assert "no such verb `resum`; did you mean `resume`?" in shown.err


@pytest.mark.parametrize(
    ("verb", "meant"),
    [
        ("fmvm logs", "events"),
        ("fmvm list", "ps"),
        ("fmvm test", "fmc test"),
        ("fmc run", "fmvm run"),
    ],
)
def test_a_verb_of_other_tools_is_named_as_it_is_called_here(shell, verb, meant) -> None:
    shown = shell(*verb.split(), "x")
    assert shown.status == 2
    assert f"did you mean `{meant}`?" in shown.err


def test_an_unknown_option_is_wrong_usage(shell) -> None:
    shown = shell("fmvm", "ps", "--nope")
    assert shown.status == 2
    assert shown.err.startswith("error[FM1300]: no such option")
    assert "help: see `fmvm ps --help`" in shown.err


def test_a_program_without_a_verb_shows_its_help(shell) -> None:
    shown = shell("fmc")
    assert shown.status == 2
    assert "compile" in shown.err
