"""``fmc fmt``: source files formatted in place."""

from __future__ import annotations

import sys

import click

from flowmetal.cli.guard import print_diagnostics
from flowmetal.cli.options import standard_input
from flowmetal.cli.output import OutputLost, complain, say
from flowmetal.errors import Diagnostic, ReadError


@click.command("fmt", epilog="Example: fmc fmt --check src")
@click.option(
    "--check", is_flag=True, help="Change nothing; show what would change, exit 1 if any."
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def command(check: bool, files: tuple[str, ...]) -> int:
    """Format FILEs in place: sources, folders with sources, or - for standard input to output.

    Comments, literals and line ends stay as they are; only white space changes.
    A file that cannot be read as Flowmetal is left alone.
    """
    from functools import partial

    from flowmetal.tools.formatting import format_source
    from flowmetal.tools.sources import STDIN, find_beside, read_source_file, source_names

    names = source_names(files)
    # All of them before the first is written: what cannot be read is to have changed nothing.
    sources = [
        read_source_file(name, standard_input("FILE") if name == STDIN else None) for name in names
    ]
    changed, wrong = 0, list[Diagnostic]()
    for name, file in zip(names, sources, strict=True):
        try:
            made = format_source(file.source, partial(find_beside, name))
        except ReadError as error:
            wrong += error.diagnostics
            continue
        differs = made != file.source.text
        changed += differs
        if check and differs:
            say(_difference(file.source.path, file.source.text, made), end="")
        elif name == STDIN and not check:
            _pass_on_bytes(file.encode(made))
        elif differs:
            file.write(made)
            complain(f"formatted {file.source.path}")
    if wrong:
        print_diagnostics(tuple(wrong))
    if check:
        complain(f"{_files(changed)} of {len(names)} would change")
    return int(bool(wrong) or (check and changed > 0))


def _pass_on_bytes(text: bytes) -> None:
    try:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    except OSError as problem:
        raise OutputLost(sys.stdout, problem) from None


def _difference(path: str, old: str, new: str) -> str:
    import difflib

    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), path, f"{path} (formatted)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ no line end\n" for line in lines)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
