"""The claims: whatever the bytes are, each target returns, or a claim is wrong.

``program_of`` makes a text of bytes, a fragment of Flowmetal for each, so that much of what is
tried is nearly a program. What is refused must say where, inside of the text.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache

from flowmetal.embed.moving import MAGIC, unpack
from flowmetal.embed.session import Session
from flowmetal.errors import (
    CompileError,
    Diagnostic,
    ReadError,
    StoreError,
)
from flowmetal.reader import ReadOptions, read_all, read_all_with_spans
from flowmetal.source import Source, Span
from flowmetal.tools.formatting import format_source
from flowmetal.tools.linting import lint_source
from flowmetal.values import (
    DataError,
    decode_data,
    encode_data,
    equal,
    json_dumps,
    json_loads,
    pr_str,
)

_WORDS = """\
    ( ) [ ] { } #{ #( #_ #? #?@ #:a{ ' ` ~ ~@ @ ^ ^:a ^{ #' ; #!
    a b c f x y xs n & _ % %1 %& . / :a ::a :a/b ::str/x :as :refer :else :keys :or :strs a/b str/join
    1 0 -1 1.5 1/2 1N 1.5M 2r101 0xF 010 1_000 ##Inf ##NaN ## nil true false \\a \\newline \\u0041 \\
    "a" "\\n" "\\q" " #" #"a+" #"(" #inst #uuid #dur #bytes "2026-01-01" "5m" #my/tag ⊢ :- |- é 🌊
    def defn defn- fn let loop recur if when cond case do quote var try catch finally throw ns require
    defmacro defmulti defmethod defrecord defprotocol letfn for doseq binding declare match
    -> ->> some-> cond-> as-> comp partial apply map filter reduce str inc + - * / < = get assoc conj
    println perform sleep! spawn! await! user my.ns flow.string clojure.test deftest is
    if-let when-let and or not with-restart set! new . .. deftype gen-class eval defforeign defquery"""
FRAGMENTS: tuple[str, ...] = tuple(dict.fromkeys(_WORDS.split()))
_GAPS = (" ", "\n", "", " ", "\t", "\r\n", ",", " ")


def program_of(data: bytes) -> str:
    """Return the text that bytes stand for: fragments, with the gap that the next byte says."""
    parts = []
    for at in range(0, len(data) - 1, 2):
        parts.append(FRAGMENTS[data[at] % len(FRAGMENTS)])
        parts.append(_GAPS[data[at + 1] % len(_GAPS)])
    return "".join(parts)


def text_of(data: bytes) -> str:
    """Return a text that bytes stand for: of fragments, or of any characters."""
    if data[:1] < b"\xa0":
        return program_of(data[1:])
    return data[1:].decode("utf-8", "replace")


def reader(data: bytes) -> None:
    """Any text is forms, or has errors inside of it."""
    text = text_of(data)
    try:
        for form in read_all_with_spans(Source("t.flow", text), ReadOptions()):
            assert inside(form.span, text), form.span
    except ReadError as error:
        check_places(error.diagnostics, text)


def compiler(data: bytes) -> None:
    """Any text is a program, or has errors inside of it."""
    text = text_of(data)
    try:
        Session().compile_text(Source("t.flow", text))
    except (ReadError, CompileError) as error:
        check_places(error.diagnostics, text)


def linter(data: bytes) -> None:
    """Lints look at any program, and what they say is inside of it."""
    text = text_of(data)
    with suppress(ReadError, CompileError):
        check_places(lint_source(Source("t.flow", text)), text)


def formatter(data: bytes) -> None:
    """Formatting keeps the forms, and formatting twice is formatting once."""
    text = text_of(data)
    options = ReadOptions(resolve_alias=lambda alias: alias or "user")
    try:
        made = format_source(Source("t.flow", text))
    except ReadError as error:
        check_places(error.diagnostics, text)
        return
    before = read_all(Source("t.flow", text), options)
    after = read_all(Source("t.flow", made), options)
    assert len(before) == len(after)
    assert [pr_str(form) for form in before] == [pr_str(form) for form in after]
    assert format_source(Source("t.flow", made)) == made


def codec(data: bytes) -> None:
    """Any bytes are data, or are refused; data that came in goes out and comes in again."""
    with suppress(DataError):
        value = decode_data(data)
        assert equal(decode_data(encode_data(value)), value) or "NaN" in pr_str(value)


def json(data: bytes) -> None:
    """Any bytes are JSON, or are refused; what came in goes out and comes in again."""
    with suppress(DataError, UnicodeDecodeError):
        value = json_loads(data.decode())
        assert equal(json_loads(json_dumps(value)), value) or "NaN" in pr_str(value)


def run_file(data: bytes) -> None:
    """A file of a run is refused, or unpacked, under a right checksum too."""
    for each in (data, MAGIC + data, MAGIC + hashlib.sha256(data).digest() + data):
        with suppress(StoreError):
            unpack(each, "run.fms")


def program_file(data: bytes) -> None:
    """A compiled program is refused, or is one in every part."""
    from tests.bytecode.test_file import DATA, HEAD, fuzz

    content = DATA[HEAD:]
    at = int.from_bytes(data[:2], "big") % len(content)
    fuzz(content[:at] + data[2:] + content[at + len(data[2:]) :])
    fuzz(data)


def snapshot(data: bytes) -> None:
    """A snapshot is refused, or is a machine that can be saved again."""
    from tests.snapshot.test_decode import DATA, HEAD, accepted_or_refused, sealed

    body = DATA[HEAD:]
    at = int.from_bytes(data[:2], "big") % len(body)
    accepted_or_refused(sealed(body[:at] + data[2:] + body[at + len(data[2:]) :]))
    accepted_or_refused(data)


def machine(data: bytes) -> None:
    """Changed code is refused by the verifier, or run as well as any other."""
    from tests.fuzz.mutants import run_verified

    run_verified(data)


def url_filter(data: bytes) -> None:
    """No address of the inside is reached, however it is wrapped and written."""
    from tests.fuzz.addresses import refused

    asyncio.run(refused(data))


def api(data: bytes) -> None:
    """Any request is answered, with JSON and no fault of ours; what is not asked for is not changed."""
    from tests.fuzz.api import answered

    answered(data)


def rows(data: bytes) -> None:
    """What workers and ordering parties write by plain SQL is answered, and holds nobody up."""
    from tests.fuzz.rows import heeded

    heeded(data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        reader, compiler, linter, formatter, codec, json, run_file, program_file, snapshot, machine,
        url_filter, api, rows,
    )
}  # fmt: skip


def check_places(diagnostics: tuple[Diagnostic, ...] | list[Diagnostic], text: str) -> None:
    """Check that errors say where, and that it is in the text."""
    assert diagnostics or isinstance(diagnostics, list)
    for diagnostic in diagnostics:
        assert diagnostic.span is not None, diagnostic
        for label in diagnostic.labels:
            ours = label.span.path == "t.flow"
            assert not ours or inside(label.span, text), diagnostic


def inside(span: Span, text: str) -> bool:
    """Say whether a span lies in a text."""
    lines = _lines(text)
    for line, col in ((span.line, span.col), (span.end_line, span.end_col)):
        if not 1 <= line <= len(lines) or not 1 <= col <= len(lines[line - 1]) + 1:
            return False
    return (span.line, span.col) <= (span.end_line, span.end_col)


@cache
def _lines(text: str) -> list[str]:
    return text.split("\n")
