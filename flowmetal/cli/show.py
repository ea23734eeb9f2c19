"""``fmvm show``: one run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, store_option
from flowmetal.cli.output import ago, coloured, render, say, say_json
from flowmetal.errors import FlowmetalError
from flowmetal.ids import shell_word

if TYPE_CHECKING:
    from flowmetal.embed.views import RunView

_MOST_WAITS = 20


@click.command("show", epilog="Example: fmvm show 7f3c --json")
@store_option
@json_option
@click.option("--full", is_flag=True, help="Show the frames of the library too.")
@click.argument("run", metavar="RUN")
def command(store_url: str | None, as_json: bool, full: bool, run: str) -> None:
    """Show RUN: state, result or error, fibers and where each stands, what it waits for."""
    damage: FlowmetalError | None = None
    with open_engine(store_url, must_exist=True) as engine:
        found = engine.find(run)
        try:
            view = engine.show(found)
        except (
            FlowmetalError
        ) as error:  # its snapshot cannot be read: the rest is shown all the same
            view, damage = engine.view(found), error
        now_us = engine.now_us()
        sources = engine.sources_of_failure(found) if view.state == "failed" else {}
    if as_json:
        say_json(view.as_json())
    else:
        _print(view, now_us, sources, full=full)
    if damage is not None:
        raise damage


def _print(view: RunView, now_us: int, sources: dict[str, str], *, full: bool) -> None:
    lines = [
        f"run      {view.id}",
        f"state    {view.state}" + (f" ({view.reason})" if view.reason else ""),
        f"program  {view.program[:12]}  {view.entry}",
        f"created  {ago(view.created_us, now_us)}",
    ]
    if view.ended_us is not None:
        lines.append(f"ended    {ago(view.ended_us, now_us)}")
    lines += [f"tag      {key}={value}" for key, value in sorted(view.tags.items())]
    if view.parent is not None:
        lines.append(f"parent   {view.parent}")
    if view.status is not None:
        lines.append(f"status   {view.status_text()}")
    lines += [f"waits    {wait.text(now_us)}" for wait in view.waiting[:_MOST_WAITS]]
    if len(view.waiting) > _MOST_WAITS:
        lines.append(f"waits    and for {len(view.waiting) - _MOST_WAITS} things more")
    for fiber in view.fibers:
        waits = f", waits for {fiber.waits_for}" if fiber.waits_for else ""
        spawned = f", spawned at {fiber.spawned}" if fiber.spawned else ""
        lines.append(f"fiber {fiber.number:<3}{fiber.status}{waits}{spawned}")
        lines += [f"         {frame}" for frame in _frames(fiber.frames, full)]
        for frame in fiber.locals:
            values = "  ".join(f"{name} = {value}" for name, value in frame.values)
            lines += [f"         frame {frame.frame} {frame.function}: {values}"] if values else []
        lines += [f"restart  {name}  {text}" for name, text in fiber.restarts]
    if view.state == "failed":
        lines.append(f"go on    {_ways_on(view)}")
    if view.state == "completed":
        lines.append(f"result   {view.result_text()}")
    say("\n".join(lines))
    if view.state == "failed":
        failure = render(view.diagnostics(), sys.stdout, sources, full=full)
        say("\n" + failure, colours=coloured(sys.stdout))


def _frames(frames: Sequence[tuple[str, str]], full: bool) -> list[str]:
    """Return frames in lines; several of the library in a row are one, as in errors."""
    lines = []
    for in_library, group in groupby(frames, key=_is_of_library):
        alike = list(group)
        if in_library and len(alike) > 1 and not full:
            lines.append(f"... {len(alike)} frames in the library, --full to see")
        else:
            lines += [f"in {name}  {place}" for name, place in alike]
    return lines


def _is_of_library(frame: tuple[str, str]) -> bool:
    name, place = frame
    return name.startswith("flow.") and place.startswith("flow/")


def _ways_on(view: RunView) -> str:
    """Return in words what `fmvm retry` can do there."""
    from flowmetal.values import keyword

    effect = next((fiber.failed for fiber in view.fibers if fiber.failed is not None), None)
    retry = f"`fmvm retry {shell_word(view.id)}`"
    if effect is not None:
        return f"{retry} performs effect #{effect[0]} ({effect[1]}) again, --value, --skip, --restart and --throw do something else"
    looked_at = next((fiber.looked_at for fiber in view.fibers if fiber.looked_at), None)
    if looked_at is not None:
        handled = f"effect #{looked_at[0]} ({looked_at[1]})"
        return f"{retry} with --skip or --value lets the handler go on that looked at the error of {handled}, which can be tried again then"
    if view.error is not None and keyword("compensated") in view.error.data:
        return f"it was compensated: `fmvm fork {shell_word(view.id)} --at N`, or start it again"
    if view.error is not None and view.error.code in ("FM1108", "FM1138"):
        return f"{retry} takes it up again where it stands"
    return f"{retry} with --value, --skip, --restart or --throw; an error that is no effect's cannot be tried again"
