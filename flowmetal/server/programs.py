"""Programs over HTTP: what is deployed, and ``PUT /v1/programs/HASH``.

An upload is verified like any other program, and is named by what it is: a body whose hash is
another than that of the address changes nothing. It starts without grants; ``fmvm deploy`` gives some.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flowmetal.embed.engine import Engine
from flowmetal.embed.sharing import put_program
from flowmetal.server.addresses import name_in
from flowmetal.server.answers import answer, bad_request
from flowmetal.server.bodies import read_body
from flowmetal.server.desk import Desk
from flowmetal.server.settings import PROGRAM_FACTOR, Settings


def routes(desk: Desk, settings: Settings) -> list[Route]:
    """Return the addresses of programs."""

    async def put(request: Request) -> Response:
        name = name_in(request, "hash")
        data = await read_body(request, settings.max_body * PROGRAM_FACTOR)
        found = await desk.ask(lambda engine: put_program(engine.store, data, name), long=True)
        if found is None:
            raise bad_request("the body is another program than the address says")
        made, hash_ = found
        return answer({"program": hash_, "made": made}, 201 if made else 200)

    async def deployed(request: Request) -> Response:
        def look(engine: Engine) -> list[dict[str, Any]]:
            return [one.as_json() for one in engine.deployed()]

        return answer(await desk.ask(look))

    return [
        Route("/v1/programs", deployed),
        Route("/v1/programs/{hash}", put, methods=["PUT"]),
    ]
