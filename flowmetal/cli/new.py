"""``fmc new``: a small project that runs and has tests that pass."""

from __future__ import annotations

import shlex

import click

from flowmetal.cli.options import json_option
from flowmetal.cli.output import complain, say, say_json


@click.command("new", epilog="Example: fmc new orders")
@json_option
@click.argument("folder", metavar="DIR")
def command(as_json: bool, folder: str) -> None:
    """Make a project in DIR, which must be empty or not there: sources, tests, flow.edn."""
    from flowmetal.embed.project import new_project

    files = new_project(folder)
    if as_json:
        say_json({"folder": folder, "files": list(files)})
        return
    for file in files:
        say(f"{folder.rstrip('/') or '/'}/{file}")
    program = next(file for file in files if file.endswith("main.flow"))
    steps = ["fmc test", f"fmvm run {program} Ann"]
    if folder.rstrip("/") != ".":
        steps.insert(0, f"cd {shlex.quote(folder)}")
    complain("next:\n" + "\n".join(f"  {step}" for step in steps))
