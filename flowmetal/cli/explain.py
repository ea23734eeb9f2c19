"""``fmc explain``: an error code with a wrong and a right example."""

from __future__ import annotations

import click

from flowmetal.cli.options import json_option
from flowmetal.cli.output import say, say_json
from flowmetal.errors import UsageError


@click.command("explain", epilog="Example: fmc explain FM0114")
@json_option
@click.argument("code", metavar="CODE", required=False)
def command(as_json: bool, code: str | None) -> None:
    """Explain an error CODE; without one, list all of them."""
    from flowmetal.embed.explaining import all_codes

    codes = all_codes()
    if code is None:
        if as_json:
            say_json([{"code": row.code, "title": row.title} for row in codes.values()])
        else:
            say("\n".join(f"{row.code}  {row.title}" for row in codes.values()))
        return
    row = codes.get(code.strip("[]").upper())
    if row is None:
        raise UsageError(
            "FM1315",
            f"there is no error code `{code}`",
            hint="`fmc explain` alone lists all of them",
        )
    if as_json:
        say_json(
            {"code": row.code, "title": row.title, "explanation": row.explanation,
             "wrong": row.wrong, "right": row.right}
        )  # fmt: skip
        return
    parts = [f"{row.code}: {row.title}", row.explanation]
    if row.wrong:
        parts.append("wrong:\n" + _indented(row.wrong))
    if row.right:
        parts.append("right:\n" + _indented(row.right))
    say("\n\n".join(parts))


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.strip("\n").splitlines())
