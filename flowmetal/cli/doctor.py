"""``fmvm doctor``: is everything in order, and if not, what to do."""

from __future__ import annotations

import click

from flowmetal.cli.options import json_option, store_option
from flowmetal.cli.output import say, say_json


@click.command("doctor", epilog="Example: fmvm doctor --store sqlite:runs.db")
@store_option
@json_option
def command(store_url: str | None, as_json: bool) -> int:
    """Check the store, versions, clocks and file permissions; say what to do. Exit 1 if something is wrong."""
    from flowmetal.embed.doctor import examine

    findings = examine(store_url)
    if as_json:
        say_json(
            [
                {"level": f.level, "about": f.about, "message": f.message, "remedy": f.remedy}
                for f in findings
            ]
        )
    else:
        width = max(len(finding.about) for finding in findings) + 2
        for finding in findings:
            say(f"{finding.level:<8}{finding.about:<{width}}{finding.message}")
            if finding.remedy:
                say(f"{'':<{8 + width}}{finding.remedy}")
    return int(any(finding.level == "wrong" for finding in findings))
