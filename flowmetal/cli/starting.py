"""What ``run`` and ``start`` have in common: from the words of the command line to a run in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowmetal.cli.options import grants_in, read_json, read_json_lines, read_tags
from flowmetal.cli.output import complain
from flowmetal.errors import UsageError

if TYPE_CHECKING:
    from flowmetal.embed import Engine, Program


def start_from_words(
    engine: Engine, file: str, args: Sequence[str], words: Mapping[str, Any], *, here: bool = False
) -> str:
    """Make the run that the command line asks for, or find the one with its id; return its id.

    Everything that can be wrong is looked at before the store is changed. ``here``: see ``Engine.start``.
    """
    arguments: Sequence[Any] = args
    if words["input_text"] is not None:
        if args:
            raise UsageError(
                "FM1307",
                "ARGs and --input exclude each other",
                hint="put all of it into --input, such as --input '[7, 8]'",
            )
        arguments = (read_json(words["input_text"], "--input"),)
    program, common = _read_words(file, words)
    run, made = engine.start(
        program,
        arguments,
        id=words["run_id"],
        tags=read_tags(words["tags"]),
        here=here,
        **common,
    )
    if made:
        complain(f"run {run}")
    else:
        other = engine.difference(run, program, arguments, words["entry"])
        complain(f"run {run} is there already: attached to it{other and f'; {other}'}")
    return run


def start_each_line(
    engine: Engine, file: str, lines: str, args: Sequence[str], words: Mapping[str, Any]
) -> list[str]:
    """Make a run for each line of a file of JSON; return their ids. Nothing is made if a line is wrong."""
    from flowmetal.embed import Beginning

    if args or words["input_text"] is not None:
        raise UsageError(
            "FM1307", "--each excludes ARGs and --input", hint="put all of it into each line"
        )
    values = read_json_lines(lines, "--each")
    program, common = _read_words(file, words)
    tags, id_ = read_tags(words["tags"]), words["run_id"]
    started = engine.start_many(
        program,
        [
            Beginning((value,), None if id_ is None else f"{id_}-{number}", tags)
            for number, value in enumerate(values, 1)
        ],
        **common,
    )
    there = sum(not made for _, made in started)
    complain(f"{len(started) - there} runs" + (f"; {there} were there already" if there else ""))
    return [run for run, _ in started]


def _read_words(file: str, words: Mapping[str, Any]) -> tuple[Program, dict[str, Any]]:
    """Return the program, and what all its runs have in common."""
    from flowmetal.embed.files import load_program

    grants = grants_in(words)
    program = load_program(file, roots=words["roots"], contracts=not words["no_contracts"])
    return program, {"entry": words["entry"], "grants": grants}
