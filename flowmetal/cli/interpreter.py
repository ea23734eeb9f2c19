"""``fmvm interpreter``: claim and drive runs of the store until stopped."""

from __future__ import annotations

import click

from flowmetal.cli.descriptors import take_enough
from flowmetal.cli.driving import INTERRUPTED, open_engine
from flowmetal.cli.ending import end_soon
from flowmetal.cli.options import host_options, store_option
from flowmetal.cli.output import complain


@click.command("interpreter", epilog="Example: fmvm interpreter --concurrency 50")
@store_option
@host_options
@click.option(
    "--concurrency", type=click.IntRange(1, 10_000), default=100, show_default=True,
    help="How many runs to drive at once.",
)  # fmt: skip
@click.option("--until-idle", is_flag=True, help="Stop when no run can go on.")
def command(
    store_url: str | None,
    modules: tuple[str, ...],
    sync: str | None,
    limits: tuple[str, ...],
    concurrency: int,
    until_idle: bool,
) -> int:
    """Claim and drive the runs of the store until stopped (Ctrl-C or SIGTERM).

    Several interpreters may share a store. What runs print goes to standard
    output, what they log to standard error.
    """
    take_enough()
    with open_engine(store_url, modules=modules, sync=sync, limits=limits, goes_on=True) as engine:
        complain(f"interpreter {engine.name} on {engine.store_url}")
        try:
            engine.interpret(concurrency=concurrency, until_idle=until_idle, on_signal=end_soon)
        except KeyboardInterrupt:
            complain("interrupted; runs in flight are left to other interpreters")
            return INTERRUPTED
    if not until_idle:
        complain("stopped; runs in flight are left to other interpreters")
    return 0
