"""``fmc doc``: what is written about a name."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from flowmetal.cli.options import json_option
from flowmetal.cli.output import say, say_json

if TYPE_CHECKING:
    from flowmetal.embed.documenting import Documentation

_WIDTH = 88


@click.command(
    "doc",
    epilog="Example: fmc doc str/join",
    context_settings={"ignore_unknown_options": True},  # `->` is a name
)
@click.option(
    "--path",
    "roots",
    metavar="DIR",
    multiple=True,
    help="Where namespaces are found (repeatable). Default: $FLOW_PATH, flow.edn, this folder.",
)
@json_option
@click.argument("name", metavar="NAME")
def command(roots: tuple[str, ...], as_json: bool, name: str) -> None:
    """Show arguments, documentation and examples of NAME: join, str/join, shop.prices."""
    from pathlib import Path

    from flowmetal.embed.config import source_roots
    from flowmetal.embed.documenting import Library

    found = Library(source_roots(Path("-"), roots) or (Path(),)).documentation_of(name)
    if as_json:
        say_json([asdict(one) for one in found])
    else:
        say("\n\n".join(_shown(one) for one in found))


def _shown(one: Documentation) -> str:
    kind = "" if one.kind in ("function", "var") else f"  ({one.kind})"
    lines = [f"{one.name}{kind}"]
    word = one.name.rpartition("/")[2] or "/"
    lines += [f"  {_call(word, arguments)}" for arguments in one.arglists]
    if one.doc:
        lines += ["", *_wrapped(one.doc)]
    if one.examples:
        lines += ["", *(f"  {line}".rstrip() for line in one.examples.splitlines())]
    if one.see:
        lines += ["", *_wrapped(f"See also: {', '.join(one.see)}")]
    if one.names:
        lines += ["", *_listed(one.names, one.summaries)]
    return "\n".join(lines)


def _listed(names: tuple[str, ...], summaries: tuple[str, ...]) -> list[str]:
    """Return a line for each name, with what it does cut to the width of the page."""
    column = min(max(len(name) for name in names), _WIDTH // 3)
    lines = []
    for name, summary in zip(names, summaries, strict=True):
        room = _WIDTH - 4 - max(column, len(name))
        lines.append(f"  {name:<{column}}  {textwrap.shorten(summary, room, placeholder=' ...')}")
    return [line.rstrip() for line in lines]


def _call(word: str, arguments: str) -> str:
    inner = arguments[1:-1] if arguments.startswith("[") and arguments.endswith("]") else arguments
    return f"({word} {inner})" if inner else f"({word})"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()),
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
