"""The edge between a command and the shell: every way out, and its exit status.

A user's mistake is a diagnostic on standard error and never a Python
traceback. What is our mistake says "internal error, please report" with an
id; the traceback goes into a file whose path is printed.

Statuses: 0 done; 1 compile errors or the run failed; 2 wrong usage or
unreadable input; 3 refused; 4 timed out, paused or moved; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from flowmetal.cli.output import OutputLost, complain
from flowmetal.errors import Diagnostic, FlowmetalError

INTERRUPTED = 130
INTERNAL = 70  # EX_SOFTWARE: none of ours, so that a script can tell


def leave_with(group: click.Group) -> NoReturn:
    """Run ``group`` with the arguments of this process and exit."""
    _open_what_is_closed()
    try:
        status = status_of(group, sys.argv[1:])
        _flush()
    except OutputLost as lost:
        status = 0  # `fmvm events RUN | head`: the reader has had enough
        if str(lost):
            status = 2
            print_diagnostics((Diagnostic("FM1312", f"nothing can be written to {lost}"),))
    sys.exit(status)


def _open_what_is_closed() -> None:
    """Put nothing in the place of standard streams that are closed (``>&-``): else the store's file, say,
    would get the number of one, and what is printed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError as problem:
        raise OutputLost(sys.stdout, problem) from None


def status_of(group: click.Group, words: Sequence[str]) -> int:
    """Run ``group`` with ``words``, print what went wrong and return the exit status."""
    try:
        status = group.main(list(words), prog_name=group.name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        print_diagnostics((_diagnostic_of(error),))
        return 2
    except click.exceptions.Exit as request:
        return request.exit_code
    except (KeyboardInterrupt, click.Abort):
        complain("interrupted")
        return INTERRUPTED
    except FlowmetalError as error:
        print_diagnostics(error.diagnostics)
        return error.exit_status
    except OutputLost:
        raise
    except Exception as error:
        return report_internal_error(error)
    return status if isinstance(status, int) else 0


def print_diagnostics(diagnostics: tuple[Diagnostic, ...]) -> None:
    """Print diagnostics on standard error, as every part of Flowmetal shows them."""
    from flowmetal.cli.output import render

    complain(render(diagnostics, sys.stderr))


def _diagnostic_of(error: click.ClickException) -> Diagnostic:
    message = error.format_message().rstrip(".").replace(". Did you", "; did you")
    message = message[:1].lower() + message[1:]
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    hints = [] if ctx is None else [f"see `{ctx.command_path} --help`"]
    if ctx is not None and isinstance(error, click.NoSuchOption):
        word = error.option_name
        if _takes_words(ctx.command):
            hints.insert(0, f"write `-- {word}` at the end if it is an argument of the program")
        elif word[1:2].isdigit():
            hints.insert(0, f"write `-- {word}` at the end if it is a number")
    return Diagnostic("FM1300", message, help=tuple(hints))


def _takes_words(command: click.Command) -> bool:
    """Say whether a command has arguments that are the program's."""
    return any(isinstance(each, click.Argument) and each.name == "args" for each in command.params)


def report_internal_error(error: Exception) -> int:
    """Write the traceback to a file and say where it is."""
    import tempfile
    import traceback
    import uuid

    from flowmetal._version import __version__

    name = f"flowmetal-error-{uuid.uuid4().hex[:8]}"
    path = os.path.join(tempfile.gettempdir(), f"{name}.txt")
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(f"flowmetal {__version__}, Python {sys.version}\n{sys.argv}\n\n")
            file.writelines(traceback.format_exception(error))
        where = f"  the details are in {path}"
    except OSError as trouble:
        where = f"  the details could not be written: {trouble.strerror}"
    complain(f"internal error, please report: {name}\n{where}")
    return INTERNAL
