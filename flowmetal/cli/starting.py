"""What ``run`` and ``start`` have in common: from the words of the command line to a run in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowmetal.cli.options import read_json, read_tags
from flowmetal.cli.output import complain
from flowmetal.errors import UsageError

if TYPE_CHECKING:
    from flowmetal.embed.engine import Engine


def start_from_words(
    engine: Engine, file: str, args: Sequence[str], words: Mapping[str, Any]
) -> str:
    """Make the run that the command line asks for, or find the one with its id; return its id.

    Everything that can be wrong is looked at before the store is changed.
    """
    from flowmetal.embed.config import grants_of
    from flowmetal.embed.files import load_program

    arguments: Sequence[Any] = args
    if words["input_text"] is not None:
        if args:
            raise UsageError(
                "FM1307", "ARGs and --input exclude each other", hint="put all of it into --input"
            )
        arguments = (read_json(words["input_text"], "--input"),)
    grants = grants_of(
        http=words["allow_http"],
        sh=words["allow_sh"],
        env=words["allow_env"],
        fs=words["allow_fs"],
        everything=words["allow_all"],
    )
    tags = read_tags(words["tags"])
    program = load_program(file, roots=words["roots"], contracts=not words["no_contracts"])
    run, made = engine.start(
        program,
        arguments,
        entry=words["entry"],
        id=words["run_id"],
        tags=tags,
        grants=grants,
    )
    if made:
        complain(f"run {run}")
    else:
        other = engine.difference(run, program, arguments, words["entry"])
        complain(f"run {run} is there already: attached to it{other and f'; {other}'}")
    return run
