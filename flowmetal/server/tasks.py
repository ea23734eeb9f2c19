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
from flowmetal.server.bodies import Fields, fields_in, read_object
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
        body = await read_object(request, most)
        queue, worker, names, wait_s = await desk.ask(lambda engine: _claim_in(body))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s

        def look(engine: Engine) -> Response | None:
            found = engine.claim_task(queue, worker, names)
            return None if found is None else answer(_task_json(found))

        while not await request.is_disconnected():  # a claim for nobody would cost an attempt
            claimed = await desk.ask(look)
            if claimed is not None:
                return claimed
            left = deadline - loop.time()
            if left <= 0 or desk.stopping.is_set():
                break
            await desk.change(left)
        return Response(status_code=204)

    async def beat(request: Request) -> Response:
        return await tell(
            request, (), lambda engine, id_, attempt, _: engine.beat_task(id_, attempt)
        )

    async def complete(request: Request) -> Response:
        def say(engine: Engine, id_: str, attempt: int, fields: Fields) -> bool:
            return engine.end_task(id_, attempt, fields.json("result"))

        return await tell(request, ("result",), say)

    async def fail(request: Request) -> Response:
        def say(engine: Engine, id_: str, attempt: int, fields: Fields) -> bool:
            return engine.end_task(id_, attempt, fields.json("error"), failed=True)

        return await tell(request, ("error",), say)

    async def tell(
        request: Request, more: tuple[str, ...], say: Callable[[Engine, str, int, Fields], bool]
    ) -> Response:
        """Answer a worker that still has its task, and refuse one that has lost it."""
        body = await read_object(request, most)

        def ask(engine: Engine) -> Response:
            fields = fields_in(body, (*_ATTEMPT, *more))
            id_, attempt = fields.text("id"), fields.number("attempt", least=1)
            if say(engine, id_, attempt, fields):
                return answer({"ok": True})
            if task_has_moved(engine.store, id_):
                raise HttpError(410, "FM1356", "the run of this task has moved away", hint=_MOVED)
            raise HttpError(409, "FM1356", "this attempt has lost the task", hint=_STOP)

        return await desk.ask(ask)

    return [
        Route("/v1/tasks/claim", claim, methods=["POST"]),
        Route("/v1/tasks/heartbeat", beat, methods=["POST"]),
        Route("/v1/tasks/complete", complete, methods=["POST"]),
        Route("/v1/tasks/fail", fail, methods=["POST"]),
    ]


def _claim_in(body: bytes) -> tuple[str, str, tuple[str, ...], int]:
    """Return the queue, the worker, the names of the functions that it performs, and how long it waits."""
    fields = fields_in(body, ("queue", "worker", "names", "wait"))
    wait_s = fields.number("wait", 0, most=LONGEST_WAIT_S)
    return fields.text("queue"), fields.text("worker"), fields.texts("names"), wait_s


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
