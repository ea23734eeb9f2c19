"""Natives of flow.json and flow.edn, and read-string: text to values and back."""

from __future__ import annotations

from flowmetal.errors import FlowmetalError
from flowmetal.stdlib.natives.arguments import need_map, need_text, wrong
from flowmetal.stdlib.natives.table import MISSING, Table
from flowmetal.stdlib.natives.walking import all_of, unrealised_inside
from flowmetal.values import (
    KINDS,
    DataError,
    Keyword,
    List,
    Map,
    Range,
    Repeat,
    Set,
    Value,
    Vector,
    fail,
    hash_map,
    keyword,
    pr_str,
    set_of,
    vector,
)
from flowmetal.values.limits import allow_characters, too_many_items
from flowmetal.values.meter import charge, meter
from flowmetal.values.walking import COMPOSITE, children_of

core = Table("flow.core")
json = Table("flow.json")
edn = Table("flow.edn")

_KEYS, _PRETTY, _EOF = keyword("keys"), keyword("pretty?"), keyword("eof")
_FEATURES = keyword("features")
_STRING, _KEYWORD = keyword("string"), keyword("keyword")


@json("parse")
def parse_json(text: Value, options: Value = None) -> Value:
    """Return the value of a JSON text."""
    wanted = _KEYWORD if options is None else need_map("parse", 2, options).get(_KEYS, _KEYWORD)
    if wanted not in (_KEYWORD, _STRING):
        raise wrong("parse", ":keyword or :string as :keys", 2, options)
    from flowmetal.values import json_loads

    charge(len(text) >> 3 if type(text) is str else 0)
    try:
        found = json_loads(need_text("parse", 1, text))
    except DataError as error:
        fail("FM0507", "parse/json", error.message)
    return _with_string_keys(found) if wanted is _STRING else found


def _with_string_keys(x: Value) -> Value:
    kind = type(x)
    if kind is Map:
        entries = []
        for key, value in x.items():
            entries.append((key.text if type(key) is Keyword else key, _with_string_keys(value)))
        return hash_map(entries)
    if kind is Vector or kind is Set:
        items = []
        for item in x:
            items.append(_with_string_keys(item))
        return vector(items) if kind is Vector else set_of(items)
    return x


@json("write")
def write_json(x: Value, options: Value = None) -> str:
    """Return a value as JSON text."""
    pretty = False if options is None else need_map("write", 2, options).get(_PRETTY, False)
    if unrealised_inside(x):
        raise all_of(x)
    _need_room(x)
    from flowmetal.values import json_dumps

    try:
        text = json_dumps(x, pretty=pretty not in (None, False))
    except DataError as error:
        fail("FM0513", "data/not-data", error.message)
    charge(len(text) >> 3)
    return text


def _need_room(x: Value) -> None:
    """Raise FM0514 for a value whose text would be too long: what it shares is written wherever it stands."""
    limits = meter().limits
    items = characters = 0
    stack = [iter((x,))]
    while stack:
        for part in stack[-1]:
            items += 1
            if type(part) is Range:
                items += part.known_count or 0
            elif type(part) is Repeat:
                stack.append(iter(part))
            elif KINDS[type(part)] in COMPOSITE:
                stack.append(children_of(part))
            else:
                characters += _size_of(part)
            if items > limits.items:
                too_many_items("write", items)
            if characters > limits.characters:
                allow_characters("write", characters)
            if KINDS[type(part)] in COMPOSITE and type(part) is not Range:
                break
        else:
            stack.pop()


def _size_of(scalar: Value) -> int:
    """Return about how many characters a value that has no parts is written in; never too many."""
    if type(scalar) is str or type(scalar) is bytes:
        return len(scalar)
    if type(scalar) is int:
        return scalar.bit_length() >> 2
    return 1 if scalar is None or type(scalar) in (bool, float) else len(pr_str(scalar))


@edn("-read-string")
def read_edn(options: Value, text: Value = MISSING) -> Value:
    """Return the first value of an EDN text; the text is last, after the options if there are any."""
    return _read("read-string", options, text, edn_only=True)


@edn("-read")
@edn("read")  # see EARLIER
def read_edn_first(text: Value, options: Value = None) -> Value:
    """Return the first value of an EDN text; the options are last, if there are any."""
    return _read("read", options, text, edn_only=True, options_at=2)


@edn("write")
def write_edn(x: Value) -> str:
    """Return a value as text that can be read back."""
    if unrealised_inside(x):
        raise all_of(x)
    return pr_str(x, function="write")


@core("-read-string")
def read_string(options: Value, text: Value = MISSING) -> Value:
    """Return the first form of a text, not evaluated."""
    return _read("read-string", options, text, edn_only=False)


def _read(function: str, options: Value, text: Value, edn_only: bool, options_at: int = 1) -> Value:
    from flowmetal.reader import Incomplete, ReadOptions, read_forms
    from flowmetal.source import Source

    if text is MISSING:
        options, text = None, options
    if text is None and edn_only:
        return None
    charge(16 * len(text) if type(text) is str else 0)
    text_at = 1 if options is None else 3 - options_at
    source = Source("<string>", need_text(function, text_at, text))
    features = frozenset({"flow"}) | _features(function, options_at, options)
    try:
        for form in read_forms(source, ReadOptions(features, edn=edn_only)):
            return without_places(form.form)
        if options is not None and _EOF in need_map(function, options_at, options):
            return options.get(_EOF)
        if edn_only:
            return None
        fail("FM0507", "parse/text", "the text holds no form")
    except Incomplete as error:
        fail("FM0507", "parse/text", f"the text ends too early: {error.message}")
    except FlowmetalError as error:
        fail("FM0507", "parse/text", error.message)


def _features(function: str, options_at: int, options: Value) -> frozenset[str]:
    """Return the reader features that options name beside those of the language."""
    named = None if options is None else need_map(function, options_at, options).get(_FEATURES)
    if not isinstance(named, Set):
        return frozenset()
    return frozenset(feature.name for feature in named if isinstance(feature, Keyword))


def without_places(form: Value) -> Value:
    """Return what was read as plain data, without the places it was read from."""
    if isinstance(form, (List, Vector, Map, Set)) and form.span is not None:
        return form.with_spans(None)
    return form
