"""``fmc test``: the tests of files and folders, each file in a machine of its own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from flowmetal.cli.options import grant_options, grants_in, json_option
from flowmetal.cli.output import complain, render, say, say_json
from flowmetal.errors import UsageError

if TYPE_CHECKING:
    from flowmetal.runtime.grants import RunGrants
    from flowmetal.testing.recording import Recorder
    from flowmetal.testing.results import Outcome, Result


@click.command("test", epilog="Example: fmc test tests -k refund --fail-fast")
@click.option("-k", "pattern", metavar="PATTERN", default="", help="Only tests whose name has it.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first failure.")
@click.option("--seed", type=int, metavar="N", help="Run in the order that N shuffles them into.")
@click.option("--junit", metavar="FILE", help="Write the results for a build server, too.")
@click.option("--record", is_flag=True, help="Record the cassettes that are not there.")
@click.option("--re-record", is_flag=True, help="Record all cassettes of these tests anew.")
@grant_options
@click.option("--path", "roots", metavar="DIR", multiple=True, help="Where namespaces are found.")
@json_option
@click.argument("paths", metavar="[PATH...]", nargs=-1)
def command(
    pattern: str,
    fail_fast: bool,
    seed: int | None,
    junit: str | None,
    record: bool,
    re_record: bool,
    roots: tuple[str, ...],
    as_json: bool,
    paths: tuple[str, ...],
    **allowed: Any,
) -> int:
    """Run the deftests of PATHs: files, or folders with sources (test, tests, else this one).

    Tests are sealed from the world and their clock is virtual: see docs/testing.md. What is
    allowed is for the recording of cassettes alone; $FLOWMETAL_RECORD=new or all asks for it, too.
    """
    from flowmetal.testing.suite import Selection, run_files, test_files

    grants = grants_in(allowed)
    recorder = _recorder(record, re_record, grants)
    selection = Selection(pattern, seed, fail_fast, recorder=recorder)
    files = test_files(paths)
    if seed is not None:
        complain(f"order shuffled with --seed {seed}")
    try:
        outcome = run_files(
            files, selection, roots=roots, observe=_nothing if as_json else _show_result
        )
    finally:
        if recorder is not None:
            recorder.close()
    if outcome.broken and not as_json:
        complain(render(outcome.broken, sys.stderr))
    if junit is not None:
        from flowmetal.embed.files import write_bytes
        from flowmetal.testing.reports import junit_xml

        write_bytes(junit, junit_xml(outcome), hint="name another file with --junit")
    if as_json:
        from flowmetal.testing.reports import as_document

        say_json(as_document(outcome))
    else:
        say(_summary(outcome))
    return int(not outcome.is_good)


def _recorder(record: bool, re_record: bool, grants: RunGrants) -> Recorder | None:
    """Return who records cassettes, if anybody wants that. Raises UsageError FM1309."""
    wish = "all" if re_record else "new" if record else os.environ.get("FLOWMETAL_RECORD", "")
    if not wish:
        return None
    if wish not in ("new", "all"):
        raise UsageError(
            "FM1309", f"$FLOWMETAL_RECORD is `{wish}`", hint="set it to new or all, or not at all"
        )
    from flowmetal.embed.world import HostWorld
    from flowmetal.testing.recording import Recorder

    return Recorder(HostWorld(), grants, anew=wish == "all")


def _nothing(result: Result) -> None:
    """Show nothing until all is known."""


def _show_result(result: Result) -> None:
    """Show what went wrong in a test, and what it printed."""
    from flowmetal.cli.output import coloured

    if not result.problems:
        return
    problems = [problem.diagnostic for problem in result.problems]
    say(render(problems, sys.stdout), colours=coloured(sys.stdout))
    if result.output:
        say(f"printed by {result.name}:\n{result.output.rstrip()}")
    say("")


def _summary(outcome: Outcome) -> str:
    counts = outcome.counts
    assertions = counts.passed + counts.fail + counts.error
    parts = [
        f"{_many(counts.test, 'test')}, {_many(assertions, 'assertion')}:",
        f"{_many(counts.fail, 'failure')}, {_many(counts.error, 'error')}",
    ]
    if outcome.broken:
        parts.append(f"({_many(len(outcome.broken), 'compile error')})")
    if outcome.left_out:
        parts.append(f"({outcome.left_out} left out)")
    return " ".join(parts)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
