"""Orders: what is asked of a store by plain SQL, one row each, and what became of them.

An order is a record whose fields are a JSON object: ``{"signal": NAME, "run": ID, "value": ...}``,
``{"start": DEPLOYED, "run": ID, "args": [...]}`` or ``{"cancel": ID, "reason": TEXT}``. Whoever
attends to the store obeys it, once, and adds ``done`` or ``error``; that is kept for a week. The key is whatever
the writer chose: the same key twice cannot be inserted, and an order that is obeyed twice changes nothing.
Orders that are written together have no order among them: one to a run that is not there is looked at again
behind all others that are due.
docs/store.md has the statements.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

from flowmetal.bytecode.arities import takes
from flowmetal.errors import FlowmetalError
from flowmetal.ids import ProgramHash, RunId
from flowmetal.store.inputs import encode_input, first_event, is_run_id
from flowmetal.store.operations import runs
from flowmetal.store.operations.answers import Answer
from flowmetal.store.operations.deployments import Deployment
from flowmetal.store.operations.records import Record, Records, read
from flowmetal.store.operations.vocabulary import SendMessage, StartRun
from flowmetal.store.protocol import Message, NewRun
from flowmetal.store.rules import is_kept
from flowmetal.values import ErrorValue, FlowError, Map, Value, keyword
from flowmetal.values.codec import decode_data, encode_data
from flowmetal.values.json_mapping import from_json, json_loads
from flowmetal.values.names import reads_as_keyword

SPACE: Final = "order"
KEPT_US: Final = 7 * 86_400_000_000
_LATER_US: Final = 1_000_000
"""When an order to a run that is being exported is looked at again."""
_BEHIND: Final = b"behind"
"""The body of an order that made way for those that may start its run."""

_KNOWN: Final = {
    "signal": {"signal", "run", "value"},
    "start": {"start", "run", "entry", "args", "input", "tags"},
    "cancel": {"cancel", "reason"},
}


class _Wrong(Exception):
    """The order cannot be obeyed; the message is for who wrote it."""


class _NotThere(_Wrong):
    """There is no such run, unless another order starts it."""


class _NotNow(Exception):
    """The order can be obeyed or refused in a while."""


def obey(records: Records, key: str) -> None:
    """Do what an order asks for and say so in its row; forget one that was obeyed a week ago."""
    record = records.get(SPACE, key)
    assert record is not None
    order = _read(record.fields)
    if order is not None and ("done" in order or "error" in order):
        records.delete(SPACE, key)
        return
    try:
        if order is None:
            raise _Wrong("the fields of an order are a JSON object")
        said: dict[str, Any] = {"done": _obey(records, key, order)}
    except _NotNow:
        records.put(SPACE, record._replace(due_us=records.now_us() + _LATER_US))
        return
    except _Wrong as wrong:
        if isinstance(wrong, _NotThere) and record.body != _BEHIND:
            records.put(SPACE, record._replace(body=_BEHIND, due_us=records.now_us()))
            return
        said = {"error": str(wrong)}
    except (FlowmetalError, FlowError) as wrong:
        said = {"error": str(getattr(wrong, "message", wrong))}
    fields = json.dumps({**(order or {"was": record.fields}), **said}, ensure_ascii=False)
    fields = fields.encode("utf-8", "backslashreplace").decode()  # "\\ud800" is no text of a store
    records.put(SPACE, Record(key, fields, record.body, records.now_us() + KEPT_US))


def obey_behind(records: Records, key: str) -> None:
    """Do what an order asks for that made way for the others, if it did."""
    record = records.get(SPACE, key)
    if record is not None and record.body == _BEHIND and (record.due_us or 0) <= records.now_us():
        obey(records, key)


def _read(fields: str) -> dict[str, Any] | None:
    try:
        found = json.loads(fields)
        json_loads(fields)  # what it holds are values
    except (ValueError, RecursionError, FlowmetalError, FlowError):
        return None
    return found if isinstance(found, dict) else None


def _obey(records: Records, key: str, order: Mapping[str, Any]) -> dict[str, Any]:
    (verb, *more) = [name for name in _KNOWN if name in order] or [""]
    if not verb or more:
        raise _Wrong("an order has one of signal, start and cancel")
    if unknown := sorted(set(order) - _KNOWN[verb]):
        known = ", ".join(sorted(_KNOWN[verb]))
        raise _Wrong(f"there is no `{unknown[0][:80]}` in an order to {verb}: it has {known}")
    match verb:
        case "signal":
            return _signal(records, key, order)
        case "start":
            return _start(records, key, order)
        case _:
            return _cancel(records, key, order)


def _signal(records: Records, key: str, order: Mapping[str, Any]) -> dict[str, Any]:
    name = _text(order, "signal").removeprefix(":")
    if not reads_as_keyword(name):
        raise _Wrong(f"{name[:80]!r} cannot be the name of a signal")
    body = encode_data(from_json(order.get("value")))
    run = RunId(_text(order, "run"))
    message = Message(f"{SPACE}/{key}", "signal", name, body)
    number = _accepted(runs.send_message(records, SendMessage(run, message))).get(keyword("value"))
    return {"run": run, "number": number}


def _cancel(records: Records, key: str, order: Mapping[str, Any]) -> dict[str, Any]:
    run = RunId(_text(order, "cancel"))
    reason = order.get("reason", "")
    if not isinstance(reason, str):
        raise _Wrong("`reason` is not a text")
    message = runs.cancellation(f"{SPACE}/{key}", reason)
    _accepted(runs.send_message(records, SendMessage(run, message)))
    return {"run": run}


def _start(records: Records, key: str, order: Mapping[str, Any]) -> dict[str, Any]:
    name = _text(order, "start")
    record = records.get(Deployment.SPACE, name)
    if record is None:
        raise _Wrong(f"no program is deployed as {name[:80]}")
    deployed = read(Deployment, record)
    program = ProgramHash(deployed.program)
    id = _text(order, "run") if "run" in order else key
    if not is_run_id(id):
        raise _Wrong(f"{id[:80]!r} cannot be the id of a run")
    arguments = _arguments(order)
    entry = _entry(decode_data(record.body or b""), order, len(arguments))
    tags = order.get("tags", {})
    if not isinstance(tags, dict) or not all(
        isinstance(each, str) and is_kept(each) for pair in tags.items() for each in pair
    ):
        raise _Wrong("`tags` is not an object of texts")
    seed = int.from_bytes(os.urandom(8), "big")
    new = NewRun(
        RunId(id),
        program,
        encode_input(entry, arguments, seed),
        bytes.fromhex(deployed.grants),
        tags,
        first_event(program, entry, arguments, tags),
    )
    found = _accepted(runs.start_run(records, None, StartRun(new)))
    return {"run": id, "made": found.get(keyword("made"))}


def _arguments(order: Mapping[str, Any]) -> list[Value]:
    if "input" in order and "args" in order:
        raise _Wrong("`args` and `input` exclude each other")
    if "input" in order:
        return [from_json(order["input"])]
    given = order.get("args", [])
    if not isinstance(given, list):
        raise _Wrong("`args` is not an array")
    return [from_json(one) for one in given]


def _entry(details: Map, order: Mapping[str, Any], count: int) -> str:
    """Return the full name of the function that the run begins with, which takes so many arguments."""
    entry = _text(order, "entry") if "entry" in order else "main"
    name = entry if "/" in entry else f"{details.get(keyword('entry'))}/{entry}"
    arities = details.get(keyword("entries"), {}).get(name)
    if arities is None:
        raise _Wrong(f"the program has no function {name[:80]}")
    if not takes(arities, count):
        raise _Wrong(f"{name} does not take {count} argument{'' if count == 1 else 's'}")
    return name


def _text(order: Mapping[str, Any], name: str) -> str:
    found = order.get(name)
    if not isinstance(found, str) or not found:
        raise _Wrong(f"`{name}` is not a text")
    if not is_kept(found):
        raise _Wrong(f"`{name}` holds a character that no store can keep")
    return found


def _accepted(found: Answer) -> Answer:
    error = found.get(keyword("error"))
    if isinstance(error, ErrorValue) and error.code == "FM1103":
        raise _NotNow
    if isinstance(error, ErrorValue):
        wrong = _NotThere if error.code == "FM1101" else _Wrong
        raise wrong(error.message or "it is refused")
    return found
