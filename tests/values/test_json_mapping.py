"""The mapping between JSON and values; ``docs/json.md`` is checked here too."""

from __future__ import annotations

import base64
import collections
import datetime
import enum
import json
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowmetal.reader import read_string
from flowmetal.values import (
    Atom,
    DataError,
    ErrorValue,
    Keyword,
    LazySeq,
    Map,
    Range,
    Repeat,
    Secret,
    Set,
    Symbol,
    TaggedLiteral,
    Value,
    VarRef,
    char,
    equal,
    from_json,
    hash_map,
    hash_of,
    json_dumps,
    json_loads,
    keyword,
    list_of,
    pr_str,
    ratio,
    set_of,
    symbol,
    to_json,
    vector,
)
from flowmetal.values.json_mapping import _READERS
from tests.values.strategies import data, nested

A = keyword("a")
DOCUMENT = Path(__file__).parents[2] / "docs" / "json.md"

json_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
)
tags = st.sampled_from(
    [f"${tag}" for tag in _READERS] + ["$$set", "$$$map", "$ref", "$", "a", "b c"]
)
json_values = st.recursive(
    json_leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(tags | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(json_values)
@settings(max_examples=150)
def test_a_value_that_came_from_json_comes_back_equal(found):
    value = from_json(found)
    again = json_loads(json_dumps(value))
    assert equal(strict(again), strict(value))


def strict(value: Value) -> Value:
    """Return a value with keywords that are no keys as strings, as JSON keeps them."""
    if isinstance(value, Keyword):
        return value.text
    if isinstance(value, Map):
        plain = all(isinstance(key, (Keyword, str)) for key, _ in value.items())
        return hash_map((key if plain else strict(key), strict(v)) for key, v in value.items())
    if isinstance(value, Set):
        return value
    if isinstance(value, TaggedLiteral):
        return TaggedLiteral(value.tag, strict(value.form))
    return vector(map(strict, value)) if hasattr(value, "is_counted") else value


def is_exact(value: Value) -> bool:
    """Say whether nothing in a value loses anything in JSON by design."""
    if isinstance(value, (Keyword, Secret, VarRef)):
        return False
    if isinstance(value, Map):
        keys = [key for key, _ in value.items()]
        named = all(isinstance(key, (Keyword, str)) for key in keys)
        simple = all(isinstance(key, Keyword) or " " in key for key in keys) if named else False
        return (
            (simple or not named)
            and all(is_exact(v) for _, v in value.items())
            and all(isinstance(key, Keyword) or is_exact(key) for key in keys)
        )
    if isinstance(value, (Set, TaggedLiteral, ErrorValue)):
        parts = value if isinstance(value, Set) else value.parts()[1:]
        return all(is_exact(part) for part in parts)
    if hasattr(value, "is_counted"):
        return all(map(is_exact, value))
    return True


@given(data)
@settings(max_examples=150)
def test_what_loses_nothing_by_design_comes_back_equal(value):
    written = json_dumps(value)
    again = json_loads(written)
    if is_exact(value):
        assert equal(again, value)
    assert json_dumps(again) == json_dumps(json_loads(json_dumps(again)))
    json.loads(written)


@given(st.lists(data, max_size=4).map(set_of))
def test_members_of_a_set_stay_different(value):
    keyword_free = "Secret" not in repr([type(item) for item in value])
    again = json_loads(json_dumps(value))
    if keyword_free and isinstance(again, Set):
        assert len(again) == len(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (
            '{"a": 1, "a b": 2, "x/y": 3, "Content-Type": 4, "": 5, "a:": 6}',
            '{:a 1 "a b" 2 :x/y 3 :Content-Type 4 "" 5 "a:" 6}',
        ),
        ('{"$ref": "#/x"}', '{:$ref "#/x"}'),
        ('{"$set": {"a": 1}}', "{:$set {:a 1}}"),
        ('{"$ratio": "1/3", "b": 1}', '{:$ratio "1/3" :b 1}'),
        ('{"$ratio": "one"}', '{:$ratio "one"}'),
        ('{"$$ratio": "1/3"}', '{:$ratio "1/3"}'),
        ('{"$int": "5"}', "5"),
        ('{"$secret": "stripe"}', '{:$secret "stripe"}'),
        ('{"$var": "a/b"}', '{:$var "a/b"}'),
        ("[1, 1.0, 1e2, 12345678901234567890]", "[1 1.0 100.0 12345678901234567890]"),
        ('"\\ud83d\\ude00"', '"\U0001f600"'),
    ],
)
def test_reading(text, value):
    assert pr_str(json_loads(text)) == pr_str(read_string(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            hash_map([(A, keyword("b/c")), ("a b", symbol("s"))]),
            '{"a":"b/c","a b":{"$symbol":"s"}}',
        ),
        (list_of([1, None, True]), "[1,null,true]"),
        (2**53, "9007199254740992"),
        (2**53 + 1, '{"$int":"9007199254740993"}'),
        (ratio(1, 3), '{"$ratio":"1/3"}'),
        (Decimal("1.50"), '{"$decimal":"1.50"}'),
        (float("inf"), '{"$float":"Infinity"}'),
        (char("a"), '{"$char":"a"}'),
        (b"\x00\xff", '{"$bytes":"AP8="}'),
        (set_of([A, keyword("b")]), '{"$set":["a","b"]}'),
        (set_of([A, "a"]), '{"$set":[{"$keyword":"a"},"a"]}'),
        (hash_map([(1, 2)]), '{"$map":[[1,2]]}'),
        (hash_map([(A, 1), ("a", 2)]), '{"$map":[[{"$keyword":"a"},1],["a",2]]}'),
        (hash_map([(keyword("$set"), vector([1]))]), '{"$$set":[1]}'),
        (hash_map([(keyword("$set"), 1)]), '{"$set":1}'),
        (hash_map([(keyword("$$set"), 1)]), '{"$$$set":1}'),
        (Secret("n"), '{"$secret":"n"}'),
        (Range(0, 3), "[0,1,2]"),
        ("é\u2028\ud800", '"é\u2028\\ud800"'),
        (ErrorValue(A, "m"), '{"$error":{"type":"a","message":"m","data":{}}}'),
    ],
)
def test_writing(value, text):
    assert json_dumps(value) == text


def test_pretty_is_the_same_on_more_lines():
    value = hash_map([(A, vector([1, 2]))])
    assert json_dumps(value, pretty=True) == '{\n  "a": [\n    1,\n    2\n  ]\n}'
    assert "\\ud800" in json_dumps("\ud800", pretty=True)


@pytest.mark.parametrize(
    "value",
    [Atom(1), object(), LazySeq(object()), vector([Atom(1)]), Range(0, None), Repeat(None, 1)],
)
def test_what_is_not_data_has_no_json(value):
    with pytest.raises(DataError) as caught:
        to_json(value)
    assert caught.value.code == "FM0330"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nul",
        "[1,]",
        "{a:1}",
        "NaN",
        "1e999",
        "[-1e400]",
        "[Infinity]",
        "1 2",
        "'a'",
        "[" * 100_000,
        "[" * 301 + "]" * 301,
        "1" * 30_000,
    ],
)
def test_what_is_not_json_is_refused(text):
    with pytest.raises(DataError) as caught:
        json_loads(text)
    assert caught.value.code == "FM0332"


def test_a_complaint_says_the_place():
    with pytest.raises(DataError, match="line 2, column 3"):
        json_loads("[1,\n  x]")


def test_json_has_a_limit_of_depth_in_both_directions():
    assert json_loads("[" * 300 + "]" * 300) is not None
    assert json_dumps(nested(299)) == "[" * 300 + "]" * 300
    for pretty in (False, True):
        with pytest.raises(DataError) as caught:
            json_dumps(nested(300), pretty)
        assert caught.value.code == "FM0332"


def test_a_large_integer_in_json_is_read_exactly():
    number = 10**5000 + 7
    assert json_loads("1" + "0" * 4999 + "7") == number
    assert json_loads(json_dumps(number)) == number
    assert hash_of(json_loads("-0")) == hash_of(0)


def test_an_integer_from_python_is_no_larger_than_one_from_json():
    assert from_json(2**65_536 - 1) == 2**65_536 - 1
    for found in (2**65_536, {"a": [-(2**65_536)]}):
        with pytest.raises(DataError, match="65,536 bits"):
            from_json(found)


def test_python_objects_that_json_never_reads_are_refused():
    with pytest.raises(DataError):
        from_json(object())
    with pytest.raises(DataError, match="the key 1 is not a string"):
        from_json({1: 2})
    with pytest.raises(DataError):
        from_json([b"bytes"])


def test_every_written_form_of_the_document_is_as_it_says():
    _, _, written_forms = DOCUMENT.read_text("utf-8").partition("## What JSON has not")
    rows = re.findall(r"^\| `(.+?)` +\| `(.+?)` +\|", written_forms, re.MULTILINE)
    assert len(rows) >= 15
    for value, text in rows:
        assert json_dumps(read_string(value)) == text, value


def test_every_written_form_is_in_the_document():
    document = DOCUMENT.read_text("utf-8")
    assert all(f'"${tag}"' in document for tag in _READERS)
    assert isinstance(symbol("a"), Symbol)


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Degrees(float):
    def __float__(self) -> float:
        return 0.0


def test_what_pythons_json_writes_is_read_from_python() -> None:
    """As functions of the host return it: what json takes for a plain value is one here."""
    Point = collections.namedtuple("Point", "x y")
    counts = collections.Counter("aab")
    given = {"a": (1, 2), "p": Point(3, 4), "c": counts, "r": Colour.RED, "l": Level.HIGH}
    assert from_json(given) == from_json(json.loads(json.dumps(given)))
    assert pr_str(from_json({Colour.RED: 1})) == "{:red 1}"
    for value, kind in ((Colour.RED, str), (Level.HIGH, int), (Degrees(1.5), float)):
        assert type(from_json(value)) is kind
    assert from_json(Degrees(1.5)) == 1.5


NESTED = {
    "an array": ("[", "]"),
    "an object": ('{"a":', "}"),
    "a set": ('{"$set":[', "]}"),
    "a map": ('{"$map":[[1,', "]]}"),
    "an error": ('{"$error":{"type":"a","message":"m","cause":', "}}"),
    "a tagged literal": ('{"$tagged":["t",', "]}"),
}


def _below(frames: int, call: Callable[[], Value]) -> Value:
    """Return what a function returns below so many frames, as in a server."""
    return call() if frames == 0 else _below(frames - 1, call)


@pytest.mark.parametrize("name", NESTED)
def test_what_is_nested_too_deeply_is_refused_and_what_is_not_is_read_wherever_it_is(
    name: str,
) -> None:
    opening, closing = NESTED[name]
    levels = 149 if name == "a map" else 298
    text = opening * levels + "null" + closing * levels
    value = _below(200, lambda: json_loads(text))
    assert _below(200, lambda: json_loads(json_dumps(value))) == value
    for more in (302, 400):
        with pytest.raises(DataError) as refused:
            json_loads(opening * more + "null" + closing * more)
        assert refused.value.code == "FM0332"


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime(2026, 11, 22, 6, 10, tzinfo=datetime.UTC),
        datetime.datetime(2026, 11, 22, 6, 10),
        datetime.timedelta(days=1, milliseconds=20),
        Decimal("1.50"),
        uuid.UUID("123e4567-e89b-12d3-a456-426614174000"),
        b"\0\xff",
        {1, 2},
        frozenset(),
        range(3),
        (n for n in range(3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_of_python_without_a_form_is_refused_with_one_that_is_taken(value: object) -> None:
    with pytest.raises(DataError) as refused:
        from_json({"at": value})  # type: ignore[dict-item]
    (remedy,) = refused.value.diagnostics[0].help
    written = eval(remedy.removeprefix("write "), {"base64": base64, "value": value})
    assert type(from_json(written)) is not Map
