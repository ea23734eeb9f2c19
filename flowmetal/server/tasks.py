"""Tasks over HTTP: what a worker outside does with the effects of a queue.

Claim, say now and then that one still works (a heartbeat within ``lease`` seconds), say how it ended.
A claim may wait for a task; it then holds no thread. An attempt whose lease is over is refused
with 409: another one may have begun, so the worker stops. So it does with 410: the run has moved away.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flowmetal.embed.engine import Engine
from flowmetal.embed.sharing import TaskClaim, task_has_moved
from flowmetal.server.answers import HttpError, answer
from flowmetal.server.bodies import Fields, read_fields
from flowmetal.server.desk import Desk
from flowmetal.server.settings import Settings

LONGEST_WAIT_S: Final = 60
_ATTEMPT: Final = ("id", "attempt")
_STOP: Final = "stop working on it"
_MOVED: Final = f"{_STOP}; it is offered again where the run is now"


def routes(desk: Desk, settings: Settings) -> list[Route]:
    """Return the addresses of tasks."""
    most = settings.max_body

    async def claim(request: Request) -> Response:
        fields = await read_fields(request, most, ("queue", "worker", "names", "wait"))
        queue, worker, names = fields.text("queue"), fields.text("worker"), fields.texts("names")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + fields.number("wait", 0, most=LONGEST_WAIT_S)
        while not await request.is_disconnected():  # a claim for nobody would cost an attempt
            found = await desk.ask(lambda engine: engine.claim_task(queue, worker, names))
            if found is not None:
                return answer(_task_json(found))
            left = deadline - loop.time()
            if left <= 0 or desk.stopping.is_set():
                break
            await desk.change(left)
        return Response(status_code=204)

    async def beat(request: Request) -> Response:
        fields = await read_fields(request, most, _ATTEMPT)
        id_, attempt = _attempt(fields)
        return await kept(id_, lambda engine: engine.beat_task(id_, attempt))

    async def complete(request: Request) -> Response:
        fields = await read_fields(request, most, (*_ATTEMPT, "result"))
        return await end(fields, fields.json("result"), failed=False)

    async def fail(request: Request) -> Response:
        fields = await read_fields(request, most, (*_ATTEMPT, "error"))
        return await end(fields, fields.json("error"), failed=True)

    async def end(fields: Fields, said: str, *, failed: bool) -> Response:
        id_, attempt = _attempt(fields)

        def ask(engine: Engine) -> bool:
            return engine.end_task(id_, attempt, said, failed=failed)

        return await kept(id_, ask)

    async def kept(id_: str, ask: Callable[[Engine], bool]) -> Response:
        """Answer a worker that still has its task, and refuse one that has lost it."""

        def look(engine: Engine) -> bool:
            if ask(engine):
                return True
            if task_has_moved(engine.store, id_):
                raise HttpError(410, "FM1356", "the run of this task has moved away", hint=_MOVED)
            return False

        if not await desk.ask(look):
            raise HttpError(409, "FM1356", "this attempt has lost the task", hint=_STOP)
        return answer({"ok": True})

    return [
        Route("/v1/tasks/claim", claim, methods=["POST"]),
        Route("/v1/tasks/heartbeat", beat, methods=["POST"]),
        Route("/v1/tasks/complete", complete, methods=["POST"]),
        Route("/v1/tasks/fail", fail, methods=["POST"]),
    ]


def _attempt(fields: Fields) -> tuple[str, int]:
    return fields.text("id"), fields.number("attempt", least=1)


def _task_json(task: TaskClaim) -> dict[str, Any]:
    return {
        "id": task.id,
        "attempt": task.attempt,
        "name": task.name,
        "args": json.loads(task.arguments),
        "run": task.run,
        "key": task.idempotency_key,
        "lease": task.lease_us / 1_000_000,
    }
