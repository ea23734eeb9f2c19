"""Options that several verbs share, and how their words are read.

Options may stand before or after FILE; after ``--`` every word is an ARG. A
value that is JSON may be given as it is, as ``@FILE`` or as ``-`` for standard
input.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flowmetal.errors import UsageError

if TYPE_CHECKING:
    from flowmetal.runtime.grants import RunGrants

Command = TypeVar("Command", bound=Callable[..., Any])

LONGEST_US = 100_000 * 365 * 86_400_000_000
"""The longest time that is understood, some 100,000 years: added to a date it is still a number of 64 bits."""

_MOST_DIGITS = 18
"""No number that anybody means here has more, and 64 bits hold them."""

_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


def store_option(command: Command) -> Command:
    """Add ``--store``."""
    return click.option(
        "--store",
        "store_url",
        metavar="URL",
        help="Where runs live, e.g. sqlite:PATH. Default: $FLOWMETAL_STORE, else your state folder.",
    )(command)


def json_option(command: Command) -> Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def path_option(command: Command) -> Command:
    """Add ``--path``, and ``--no-contracts`` as they belong to compiling."""
    command = click.option(
        "--no-contracts", is_flag=True, help="Leave out the checks that `:-` asks for."
    )(command)
    return click.option(
        "--path",
        "roots",
        metavar="DIR",
        multiple=True,
        help="Where namespaces are found (repeatable). Default: $FLOW_PATH, flow.edn, FILE's root.",
    )(command)


def grant_options(command: Command) -> Command:
    """Add what a run may touch."""
    for add in reversed(
        (
            click.option(
                "--allow-http", metavar="HOST[:PORT]", multiple=True, help="Hosts it may ask."
            ),
            click.option(
                "--allow-sh", metavar="PROGRAM", multiple=True, help="Programs it may run."
            ),
            click.option(
                "--allow-env", metavar="NAME", multiple=True, help="Variables it may read."
            ),
            click.option(
                "--allow-fs", metavar="read:DIR|write:DIR", multiple=True, help="Files it may use."
            ),
            click.option("-A", "--allow-all", is_flag=True, help="Grant everything."),
        )
    ):
        command = add(command)
    return command


def grants_in(words: Mapping[str, Any]) -> RunGrants:
    """Return what the options of ``grant_options`` grant. Raises UsageError FM1310."""
    from flowmetal.embed.config import grants

    return grants(
        http=words["allow_http"],
        sh=words["allow_sh"],
        env=words["allow_env"],
        fs=words["allow_fs"],
        everything=words["allow_all"],
    )


def start_options(command: Command) -> Command:
    """Add what ``run`` and ``start`` say about a new run."""
    command = grant_options(command)
    for add in reversed(
        (
            click.option("--entry", metavar="NAME", default="main", help="The function to call."),
            click.option(
                "--input",
                "input_text",
                metavar="JSON",
                help="Give the function one value instead of ARGs; @FILE, or - for standard input.",
            ),
            click.option(
                "--id", "run_id", metavar="ID", help="The run's id; attaches if it is there."
            ),
            click.option("--tag", "tags", metavar="K=V", multiple=True, help="Label the run."),
        )
    ):
        command = add(command)
    return command


def limit_option(command: Command) -> Command:
    """Add ``--limit``, for verbs that compute: they drive runs, or go through what one was."""
    return click.option(
        "--limit",
        "limits",
        metavar="NAME=N",
        multiple=True,
        help="bits, characters, items, frames, heap or snapshot: what a run may use (repeatable).",
    )(command)


def host_options(command: Command) -> Command:
    """Add what every verb that drives runs in this process takes."""
    command = click.option(
        "--sync",
        type=click.Choice(["every"]),
        help="every: one commit per effect, with many fibers too.",
    )(command)
    command = limit_option(command)
    return click.option(
        "--python",
        "modules",
        metavar="MODULE",
        multiple=True,
        help="A Python module or file whose functions the run may call (repeatable).",
    )(command)


def read_json(text: str, option: str) -> Any:
    """Return the value that ``text`` (JSON, ``@FILE`` or ``-``) stands for. Raises UsageError FM1305."""
    from flowmetal.embed.files import read_bytes, read_json_value

    if text == "-":
        return read_json_value(standard_input(option), "standard input", option)
    if text.startswith("@"):
        return read_json_value(read_bytes(text[1:]), text[1:], option)
    return read_json_value(text.encode("utf-8", "surrogateescape"), option, option)


def read_json_lines(name: str, option: str) -> list[Any]:
    """Return the value of each line of a file, or of ``-``, that is not blank. Raises UsageError FM1305."""
    from flowmetal.embed.files import read_bytes, read_json_value

    place = "standard input" if name == "-" else name
    data = standard_input(option) if name == "-" else read_bytes(name)
    return [
        read_json_value(line, f"{place}, line {number}", option)
        for number, line in enumerate(data.split(b"\n"), 1)
        if line.strip()
    ]


def standard_input(option: str) -> bytes:
    """Return all of standard input. Raises UsageError FM1303."""
    try:
        return sys.stdin.buffer.read()
    except OSError as problem:
        why = (problem.strerror or str(problem)).lower()
        raise UsageError(
            "FM1303",
            f"{option}: standard input cannot be read: {why}",
            hint="pipe the text into the command, or name a file",
        ) from None


def read_results(words: tuple[str, ...]) -> dict[int, Any]:
    """Return the results that ``EFFECT=JSON`` words name, by effect. Raises UsageError FM1336."""
    results = {}
    for word in words:
        effect, equals, value = word.partition("=")
        number = whole_number(effect)
        if not equals or number is None:
            raise UsageError(
                "FM1336",
                f"the result `{word[:100]}` is not EFFECT=JSON",
                hint="write --result 12='\"paid\"'; `fmvm show` has the numbers of effects",
            )
        if number in results:
            raise UsageError(
                "FM1336",
                f"effect {number} has two results",
                hint="write --result once for each effect",
            )
        results[number] = read_json(value, "--result")
    return results


def read_tags(words: tuple[str, ...]) -> dict[str, str]:
    """Return the tags that ``K=V`` words name. Raises UsageError FM1309."""
    tags: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise UsageError(
                "FM1309", f"the tag `{word}` is not K=V", hint="write --tag customer=42"
            )
        if tags.setdefault(key, value) != value:
            raise UsageError(
                "FM1309", f"the tag `{key}` has two values", hint=f"write --tag {key}=... once"
            )
    return tags


def read_duration_us(text: str, option: str) -> int:
    """Return the microseconds of ``5m``, ``1h30m``, ``250ms``. Raises UsageError FM1308."""
    found = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text, re.ASCII)
    us = sum(float(number) * _UNITS[unit] for number, unit in found)
    if not found or "".join(number + unit for number, unit in found) != text or us > LONGEST_US:
        raise UsageError(
            "FM1308",
            f"`{option} {text[:100]}` is not a length of time",
            hint="write a number and its unit: 250ms, 30s, 5m, 1h30m or 2d",
        )
    return round(us)


def whole_number(text: str) -> int | None:
    """Return the number that a word of digits is; None for anything else, and for too many of them."""
    plain = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if plain else None
