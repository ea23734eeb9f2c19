"""What a server answers: health, callbacks, the API."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowmetal._version import __version__
from flowmetal.embed.engine import Engine
from flowmetal.errors import FlowmetalError
from flowmetal.server import callbacks, programs, runs, tasks
from flowmetal.server.answers import answer, on_crash, on_error, on_no_route
from flowmetal.server.desk import Desk
from flowmetal.server.guarding import Guard
from flowmetal.server.settings import Settings


def application(desk: Desk, settings: Settings, alive: Callable[[], bool]) -> Starlette:
    """Return the application. ``alive`` says whether the interpreter of this process works, if it has one."""
    found: list[BaseRoute] = list(_health(desk, alive))
    if "callbacks" in settings.parts:
        found += callbacks.routes(desk, settings)
    if "api" in settings.parts:
        for part in (runs, programs, tasks):
            found += part.routes(desk, settings)
    made = Starlette(
        routes=found,
        middleware=[Middleware(Guard, settings=settings)],
        exception_handlers={
            FlowmetalError: on_error,
            HTTPException: on_no_route,
            Exception: on_crash,
        },
    )
    # An address is what it is: a redirection would say http, whatever the proxy before us speaks.
    made.router.redirect_slashes = False
    return made


def _look(engine: Engine) -> None:
    """Read from the store. Its clock is no sign of life: it is remembered for a while."""
    engine.runs(limit=1)


def _health(desk: Desk, alive: Callable[[], bool]) -> list[Route]:
    async def health(request: Request) -> Response:
        """Say that the process answers; the store is not asked."""
        return answer({"status": "ok", "version": __version__})

    async def ready(request: Request) -> Response:
        """Say whether requests can be served: the store answers, the interpreter works, nobody stops it."""
        await desk.ask(_look)
        stopping = desk.stopping.is_set()
        good = alive() and not stopping
        status = "ok" if good else "stopping" if stopping else "the interpreter has stopped"
        return answer({"status": status}, 200 if good else 503)

    return [Route("/health", health), Route("/ready", ready)]
