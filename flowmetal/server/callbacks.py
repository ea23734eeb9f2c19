"""Callbacks over HTTP: ``POST /callbacks/TOKEN``, ``/fail`` and ``/heartbeat``.

Any 2xx is the receipt, given when the answer is durable. A delivery is named by the header
``Idempotency-Key`` or ``Webhook-Id``, else by the digest of what it says; the same delivery
gets the same receipt, byte for byte, and one that came second is told which one counted. No
interpreter has to run. A GET or HEAD, as previews of links and scanners send them, is refused.
"""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flowmetal.embed.engine import Engine
from flowmetal.embed.views import iso
from flowmetal.server.addresses import name_in
from flowmetal.server.answers import answer
from flowmetal.server.bodies import read_body, value_of
from flowmetal.server.desk import Desk
from flowmetal.server.settings import Settings
from flowmetal.server.signatures import verify
from flowmetal.values import Value

PATH = "/callbacks"
_LONGEST_DELIVERY = 200
_LONG = 16 * 1024
"""Bytes that are read for a callback that there is, and for no other."""


def routes(desk: Desk, settings: Settings) -> list[Route]:
    """Return the addresses of callbacks."""

    async def take(request: Request) -> bytes:
        body = await read_body(request, settings.max_body)
        if settings.webhook_secrets:
            now_us = await desk.ask(Engine.now_us)
            verify(settings.webhook_secrets, request.headers, body, now_us)
        return body

    async def settle(request: Request, *, failed: bool) -> Response:
        token = name_in(request, "token")
        body = await take(request)
        kind = request.headers.get("content-type", "")
        delivery = _delivery(request, body, failed)

        def ask(engine: Engine) -> dict[str, Any]:
            # To read it takes up to some seconds: not in the loop, and not for anybody who comes along.
            if len(body) > _LONG:
                engine.find_callback(token=token)
            return _complete(engine, token, value_of(body, kind), failed, delivery)

        return answer(await desk.ask(ask))

    async def complete(request: Request) -> Response:
        return await settle(request, failed=False)

    async def fail(request: Request) -> Response:
        return await settle(request, failed=True)

    async def beat(request: Request) -> Response:
        token = name_in(request, "token")
        await take(request)
        stands = await desk.ask(lambda engine: engine.beat_callback(token=token))
        return answer({"state": stands.state, "expires": iso(stands.expires_us)})

    return [
        Route(f"{PATH}/{{token}}", complete, methods=["POST"]),
        Route(f"{PATH}/{{token}}/fail", fail, methods=["POST"]),
        Route(f"{PATH}/{{token}}/heartbeat", beat, methods=["POST"]),
    ]


def _delivery(request: Request, body: bytes, failed: bool) -> str:
    for name in ("idempotency-key", "webhook-id"):
        given = request.headers.get(name, "")
        if given and given.isprintable() and len(given) <= _LONGEST_DELIVERY:
            return given
        if given:
            return f"sha256:{hashlib.sha256(given.encode()).hexdigest()}"
    kind = request.headers.get("content-type", "")
    said = b"\n".join((b"fail" if failed else b"complete", kind.encode(), body))
    return f"sha256:{hashlib.sha256(said).hexdigest()}"


def _complete(
    engine: Engine, token: str, value: Value, failed: bool, delivery: str
) -> dict[str, Any]:
    receipt = engine.complete_callback(token=token, value=value, failed=failed, delivery=delivery)
    return {
        "id": receipt.id,
        "run": receipt.run,
        "delivery": receipt.delivery,
        "state": receipt.state,
        "time": iso(receipt.time_us),
        "counted": receipt.delivery == delivery,
    }
