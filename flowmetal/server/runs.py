"""Runs over HTTP: start, list, show, follow, signal, cancel, and the other verbs of ``fmvm``.

Documents are those of ``fmvm --json``. A run is started by the name of a deployed program, with the
grants of that deployment, or by the hash of a program that the store has, without any: what
a run may touch is decided by whoever deploys, and not by whoever reaches the API.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any, Final

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from flowmetal.embed import Beginning
from flowmetal.embed.engine import Engine
from flowmetal.embed.requesting import Reply, find_reply
from flowmetal.embed.sharing import stored_program
from flowmetal.embed.views import to_json
from flowmetal.errors import FlowmetalError, RunError
from flowmetal.runtime.starting import is_there
from flowmetal.server.addresses import address_of, name_in
from flowmetal.server.answers import HttpError, answer, bad_request
from flowmetal.server.bodies import Fields, fields_in, read_object
from flowmetal.server.desk import Desk
from flowmetal.server.settings import Settings
from flowmetal.values import DataError

STATES: Final = frozenset(
    ("queued", "ready", "running", "waiting", "completed", "failed", "cancelled", "paused", "exporting", "moved")
)  # fmt: skip
ENDED: Final = frozenset(("completed", "failed", "cancelled", "moved"))
LONGEST_WAIT_S: Final = 60
_OF_ONE: Final = ("args", "input", "id", "tags")
"""Fields that say something of one run."""

_PAGE: Final = 1000
_ALIVE_S: Final = 15.0
"""Without an event, a stream says this often that it is alive, for proxies."""


def routes(desk: Desk, settings: Settings) -> list[Route]:
    """Return the addresses of runs."""
    most = settings.max_body

    async def start(request: Request) -> Response:
        body = await read_object(request, most)

        def begin(engine: Engine) -> Response:
            fields = fields_in(body, ("program", "entry", "runs", *_OF_ONE))
            many = fields.has("runs")
            if many and (given := [name for name in _OF_ONE if fields.has(name)]):
                raise bad_request(f"`runs` and `{given[0]}` exclude each other")
            each = fields.objects("runs", _OF_ONE) if many else (fields,)
            made = _start(engine, fields, [_beginning(one) for one in each])
            started = [{"id": run, "made": is_new} for run, is_new in made]
            status = 201 if any(is_new for _, is_new in made) else 200
            if many:
                return answer({"runs": started}, status)
            (one,) = started
            return answer(one, status, {"location": address_of(str(one["id"]))})

        return await desk.ask(begin, long=True)

    async def ps(request: Request) -> Response:
        asked = request.query_params
        _only(asked, "state", "program", "tag", "limit")
        states = asked.getlist("state")
        if wrong := sorted(set(states) - STATES):
            raise bad_request(f"there is no state `{wrong[0][:40]}`")
        tags = dict(_tag(word) for word in asked.getlist("tag"))
        limit = _number(asked, "limit", 100, 1, 10_000)

        def look(engine: Engine) -> Response:
            program = asked.get("program", "")
            found = engine.runs(states=states, program=program, tags=tags, limit=limit)
            return answer([view.summary_json() for view in found])

        return await desk.ask(look)

    async def show(request: Request) -> Response:
        run = name_in(request, "run")
        _only(request.query_params, "wait")
        wait_s = _number(request.query_params, "wait", 0, 0, LONGEST_WAIT_S)
        if wait_s:
            await _end_of(request, run, wait_s)
        return await desk.ask(lambda engine: answer(engine.show(run).as_json()), long=True)

    async def _end_of(request: Request, run: str, wait_s: int) -> None:
        """Wait until a run has ended, in time, as long as somebody wants to know and the server is not being stopped."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while not desk.stopping.is_set() and not await request.is_disconnected():
            view = await desk.ask(lambda engine: engine.view(run))
            left = deadline - loop.time()
            if view.state in ENDED or left <= 0:
                return
            await desk.change(left)

    async def why(request: Request) -> Response:
        run = name_in(request, "run")
        return await desk.ask(lambda engine: answer({"run": run, "why": engine.why(run)}))

    async def events(request: Request) -> Response:
        run = name_in(request, "run")
        _only(request.query_params, "after", "limit")
        after = _number(request.query_params, "after", 0, 0, 1 << 62)
        if "text/event-stream" in request.headers.get("accept", ""):
            last = request.headers.get("last-event-id", "")
            if last.isascii() and last.isdecimal() and len(last) < 19:
                after = int(last)
            await desk.ask(lambda engine: engine.view(run))  # 404 before the stream begins
            headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
            return StreamingResponse(_follow(desk, run, after), 200, headers, "text/event-stream")
        limit = _number(request.query_params, "limit", _PAGE, 1, _PAGE)
        return await desk.ask(lambda engine: answer(_events(engine, run, after, limit)))

    async def signal(request: Request) -> Response:
        run = name_in(request, "run")
        _only(request.query_params, "wait")
        wait_s = _number(request.query_params, "wait", 0, 0, LONGEST_WAIT_S)
        body = await read_object(request, most)

        def send(engine: Engine) -> tuple[dict[str, str], Response | None]:
            fields = fields_in(body, ("name", "value", "id"))
            name, value, id_ = fields.text("name"), fields.value("value"), fields.maybe_text("id")
            said = {"run": run, "name": name}
            if not wait_s:
                receipt = engine.signal(run, name, value, id=id_)
                return said, answer({**said, "id": receipt.id, "number": receipt.number})
            said["id"] = os.urandom(8).hex() if id_ is None else id_
            reply = engine.ask(run, name, value, id=said["id"], timeout_us=0)
            return said, _replied(said, reply)

        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        said, replied = await desk.ask(send)
        while replied is None:
            left = deadline - loop.time()
            if left <= 0 or desk.stopping.is_set() or await request.is_disconnected():
                return answer(said, 202)
            await desk.change(left)
            replied = await desk.ask(lambda engine: _replied(said, _find_reply(engine, said)))
        return replied

    def told(known: tuple[str, ...], act: Callable[[Engine, str, Fields], object]) -> Any:
        """Return the handler of a verb that changes a run's state and says it."""

        async def handle(request: Request) -> Response:
            run = name_in(request, "run")
            body = await read_object(request, most)

            def ask(engine: Engine) -> Response:
                act(engine, run, fields_in(body, known))
                return answer({"id": run, "state": engine.view(run).state})

            return await desk.ask(ask, long=True)

        return handle

    async def query(request: Request) -> Response:
        run, name = name_in(request, "run"), name_in(request, "name")
        body = await read_object(request, most)

        def ask(engine: Engine) -> Response:
            args = fields_in(body, ("args",)).items("args")
            found = engine.query(run, name, *args)
            try:
                value = to_json(found)
            except DataError as problem:  # the request was understood
                raise HttpError(
                    422, problem.code, f"{name} answers no data: {problem.message}"
                ) from None
            return answer({"run": run, "name": name, "value": value})

        return await desk.ask(ask, long=True)

    one = "/v1/runs/{run}"
    return [
        Route("/v1/runs", start, methods=["POST"]),
        Route("/v1/runs", ps),
        Route(one, show),
        Route(f"{one}/why", why),
        Route(f"{one}/events", events),
        Route(f"{one}/signals", signal, methods=["POST"]),
        Route(f"{one}/cancel", told(("reason", "now"), _cancel), methods=["POST"]),
        Route(f"{one}/pause", told(("reason",), _pause), methods=["POST"]),
        Route(f"{one}/unpause", told((), lambda e, r, _: e.unpause(r)), methods=["POST"]),
        Route(f"{one}/retry", told((), lambda e, r, _: e.retry(r)), methods=["POST"]),
        Route(f"{one}/supply", told(("value",), _supply), methods=["POST"]),
        Route(f"{one}/restart", told(("name", "args"), _restart), methods=["POST"]),
        Route(f"{one}/queries/{{name:path}}", query, methods=["POST"]),
    ]


def _start(engine: Engine, fields: Fields, beginnings: list[Beginning]) -> list[tuple[str, bool]]:
    program, entry = fields.text("program"), fields.text("entry", "main")
    try:
        found, grants = stored_program(engine.host, program)
    except RunError:
        # Sent again, for its answer was lost, and undeployed meanwhile.
        if beginnings and all(is_there(engine.store, each) for each in beginnings):
            return [(str(each.id), False) for each in beginnings]
        raise
    return engine.start_many(found, beginnings, entry=entry, grants=grants)


def _beginning(fields: Fields) -> Beginning:
    return Beginning(_arguments(fields), fields.maybe_text("id"), fields.tags("tags"))


def _arguments(fields: Fields) -> tuple[Any, ...]:
    if not fields.has("input"):
        return fields.items("args")
    if fields.has("args"):
        raise bad_request("`args` and `input` exclude each other")
    return (fields.value("input"),)


def _find_reply(engine: Engine, said: Mapping[str, str]) -> Reply | None:
    return find_reply(engine.store, said["run"], said["name"], said["id"])


def _replied(said: Mapping[str, str], reply: Reply | None) -> Response | None:
    """Return the answer to a request that has a reply by now."""
    return None if reply is None else answer({**said, "reply": to_json(reply.value)})


def _cancel(engine: Engine, run: str, fields: Fields) -> None:
    engine.cancel(run, fields.text("reason", ""), now=fields.flag("now"), drive=False)


def _pause(engine: Engine, run: str, fields: Fields) -> None:
    engine.pause(run, fields.text("reason", ""))


def _supply(engine: Engine, run: str, fields: Fields) -> None:
    if not fields.has("value"):
        raise bad_request("`value` is missing")
    engine.supply(run, fields.value("value"))


def _restart(engine: Engine, run: str, fields: Fields) -> None:
    engine.restart(run, fields.text("name"), *fields.items("args"))


def _events(engine: Engine, run: str, after: int, limit: int) -> list[dict[str, Any]]:
    found = itertools.islice(engine.events(run, after), limit)
    return [event.as_json() for event in found]


async def _follow(desk: Desk, run: str, after: int) -> AsyncIterator[bytes]:
    """Yield a run's events as they come, as server-sent events, until it has ended.

    Nor does it go on when the store does not answer: the client comes again and goes on where it was.
    """
    with contextlib.suppress(FlowmetalError):
        async for sent in _followed(desk, run, after):
            yield sent


async def _followed(desk: Desk, run: str, after: int) -> AsyncIterator[bytes]:
    quiet_s = 0.0
    loop = asyncio.get_running_loop()
    while not desk.stopping.is_set():
        began = loop.time()
        state = (await desk.ask(lambda engine: engine.view(run))).state
        page = await desk.ask(partial(_events_to_send, run=run, after=after))
        for number, event in page:
            after = number
            yield event
        if page:
            quiet_s = 0.0
            continue
        if state in ENDED:
            yield _sent({"event": "end", "data": json.dumps({"state": state})})
            return
        await desk.change(_ALIVE_S)
        quiet_s += loop.time() - began
        if quiet_s >= _ALIVE_S:
            quiet_s = 0.0
            yield b": alive\n\n"


def _events_to_send(engine: Engine, run: str, after: int) -> list[tuple[int, bytes]]:
    return [
        (event["seq"], _sent({"id": str(event["seq"]), "data": json.dumps(event)}))
        for event in _events(engine, run, after, _PAGE)
    ]


def _sent(fields: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {value}\n" for name, value in fields.items()).encode() + b"\n"


def _only(asked: QueryParams, *known: str) -> None:
    for name in asked:
        if name not in known:
            raise bad_request(
                f"there is no parameter `{name[:80]}`", f"the parameters are {', '.join(known)}"
            )


def _number(asked: QueryParams, name: str, default: int, least: int, most: int) -> int:
    text = asked.get(name)
    if text is None:
        return default
    good = text.isascii() and text.isdecimal() and len(text) < 20
    if not good or not least <= int(text) <= most:
        raise bad_request(f"`{name}` is not an integer from {least} to {most}")
    return int(text)


def _tag(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not key or not equals:
        raise bad_request(f"the tag `{word[:80]}` is not K=V")
    return key, value
