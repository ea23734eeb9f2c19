"""``fmvm serve``: interpreter, connectors, HTTP API and callbacks in one process."""

from __future__ import annotations

import os

import click

from flowmetal.cli.descriptors import take_enough
from flowmetal.cli.driving import open_engine
from flowmetal.cli.ending import end_soon
from flowmetal.cli.options import host_options, store_option
from flowmetal.cli.output import complain
from flowmetal.errors import UsageError

_THEN_S = 5.0
"""What the end may take after the requests in flight have had their time."""


@click.command(
    "serve", epilog="Example: fmvm serve --public-url https://flow.example.com --concurrency 50"
)
@store_option
@host_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=7460, show_default=True)
@click.option("--public-url", metavar="URL", help="How the world reaches it; callbacks begin so.")
@click.option("--token", metavar="TOKEN", help="What the API asks for. Better: $FLOWMETAL_TOKEN.")
@click.option(
    "--only",
    metavar="PART",
    multiple=True,
    help="Serve this part alone (repeatable): api, callbacks, connectors, interpreter.",
)
@click.option(
    "--allow-host", "hosts", metavar="NAME", multiple=True, help="Another name of the server."
)
@click.option(
    "--webhook-secrets", metavar="FILE", help="Callbacks must be signed with a secret in FILE."
)
@click.option(
    "--max-body", type=click.IntRange(1), default=1 << 20, show_default=True, metavar="BYTES"
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="How many runs to drive at once, and calls to perform.",
)
def command(
    store_url: str | None,
    modules: tuple[str, ...],
    sync: str | None,
    limits: tuple[str, ...],
    host: str,
    port: int,
    public_url: str | None,
    token: str | None,
    only: tuple[str, ...],
    hosts: tuple[str, ...],
    webhook_secrets: str | None,
    max_body: int,
    concurrency: int,
) -> None:
    """Drive the runs of the store, answer the HTTP API and take callbacks until stopped (Ctrl-C, SIGTERM)."""
    try:
        from flowmetal.server.serving import GRACE_S, Service
        from flowmetal.server.settings import checked
    except ImportError as missing:
        raise UsageError(
            "FM1342",
            f"the server needs the package {(missing.name or '').partition('.')[0]}",
            hint='pip install "flowmetal[server]"',
        ) from None
    settings = checked(
        only=only,
        host=host,
        port=port,
        public_url=public_url,
        token=token or os.environ.get("FLOWMETAL_TOKEN") or None,
        allow_hosts=hosts,
        webhook_secrets=webhook_secrets,
        max_body=max_body,
    )
    take_enough()
    with open_engine(store_url, modules=modules, sync=sync, limits=limits, goes_on=True) as engine:
        service = Service(engine, settings, concurrency)
        parts = ", ".join(sorted(settings.parts))
        service.run(
            lambda: complain(f"{parts} at {service.address} on {engine.store_url}"),
            lambda: end_soon(GRACE_S + _THEN_S),
        )
    complain("stopped; runs in flight are left to other interpreters")
