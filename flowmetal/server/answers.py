"""Answers: JSON as ``fmvm --json`` prints it, and errors as JSON diagnostics with a status.

The status of an error follows from its code; what is not listed follows from its class.
Those that answer errors are coroutines: Starlette gives any other function a thread of its own.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from flowmetal.embed.asking import Thrown
from flowmetal.embed.rendering import to_json
from flowmetal.errors import (
    Conflict,
    Diagnostic,
    FlowmetalError,
    RefusedError,
    RunError,
    StoreError,
    UsageError,
)

# fmt: off
_BY_CODE: Final = {
    "FM0730": 404,  # no such callback
    "FM0731": 410,  # it takes no answer any more
    "FM0732": 404,  # no such deployed name
    "FM0737": 503,  # the run is being moved
    "FM1021": 400,  # no store can keep it, now or later
    "FM1101": 404,  # no such run
    "FM1105": 404,  # no such program
    "FM1107": 409,  # somebody drives it
    "FM1132": 409,  # this cannot be done where the run stands
    "FM1133": 409,  # the run has not begun
    "FM1332": 404,  # no such query
    "FM1120": 400,  # no such entry
    "FM1121": 400,  # number of arguments
}
_BY_CLASS: Final = (
    (Conflict,     409),
    (StoreError,   503),
    (RefusedError, 403),
    (RunError,     409),
)
# fmt: on


class HttpError(UsageError):
    """A request that is refused before anybody was asked."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.status = status
        self.headers = dict(headers or {})


def bad_request(message: str, hint: str | None = None) -> HttpError:
    """Return the error of a request that is not understood."""
    return HttpError(400, "FM1350", message, hint=hint)


def answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON document."""
    body = json.dumps(document, allow_nan=False).encode()
    fixed = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(body, status, fixed | dict(headers or {}), "application/json")


def status_of(error: FlowmetalError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, HttpError):
        return error.status
    if isinstance(error, Thrown):  # a query threw: the request was understood
        return 422
    found = _BY_CODE.get(error.code)
    if found is not None:
        return found
    return next((status for kind, status in _BY_CLASS if isinstance(error, kind)), 400)


def error_answer(error: FlowmetalError) -> Response:
    """Return ``{"error": diagnostic}``, with all diagnostics if there are several."""
    headers = dict(error.headers) if isinstance(error, HttpError) else {}
    status = status_of(error)
    if status == 503:
        headers["retry-after"] = "1"
    document: dict[str, Any] = {"error": to_json(error.diagnostics[0])}
    if len(error.diagnostics) > 1:
        document["more"] = [to_json(one) for one in error.diagnostics[1:]]
    return answer(document, status, headers)


async def on_error(request: Request, error: Exception) -> Response:
    """Answer what a handler raised."""
    assert isinstance(error, FlowmetalError)
    return error_answer(error)


async def on_no_route(request: Request, error: Exception) -> Response:
    """Answer a wrong address or method."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = ", ".join(_methods_at(request))
        message = f"{request.method} is not for {request.url.path}"
        return error_answer(
            HttpError(405, "FM1352", message, hint=f"use {allowed}", headers={"allow": allowed})
        )
    message = f"there is nothing at {request.url.path}"
    return error_answer(
        HttpError(404, "FM1352", message, hint="see docs/http.md for the addresses there are")
    )


def _methods_at(request: Request) -> list[str]:
    """Return the methods that an address takes; each may have a route of its own."""
    routes = [one for one in request.app.routes if isinstance(one, Route) and one.methods]
    here = [one for one in routes if one.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for one in here for method in one.methods or ()})


async def on_crash(request: Request, error: Exception) -> Response:
    """Answer what is our own mistake; the traceback goes to the log under an id."""
    id_ = os.urandom(4).hex()
    print(f"fmvm serve: internal error {id_}", file=sys.stderr)  # noqa: T201
    traceback.print_exception(error, file=sys.stderr)
    shown = Diagnostic(
        "FM1357",
        f"internal error {id_}, please report",
        help=("see the log of the server: the details are there, under this id",),
    )
    return answer({"error": to_json(shown)}, 500)
