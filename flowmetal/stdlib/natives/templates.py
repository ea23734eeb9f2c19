"""Natives of flow.template: text with {{names}}, and no logic.

``{{a.b}}`` looks for ``a``, then for ``b`` in what it found, as a keyword and
as a string; ``\\{{`` is two braces. A name without a value is an error: a
letter to "Dear ," helps nobody.
"""

from __future__ import annotations

import re
from typing import Final

from flowmetal.stdlib.natives.arguments import library_error, need_map, need_text
from flowmetal.stdlib.natives.table import MISSING, Table
from flowmetal.stdlib.natives.text import to_text
from flowmetal.stdlib.natives.walking import MAPS, all_of, unrealised_inside
from flowmetal.values import FlowError, Keyword, Value, fail, keyword, list_of, show, vector
from flowmetal.values.limits import allow_characters, need_characters
from flowmetal.values.meter import charge

native = Table("flow.template")

_HOLE: Final = re.compile(r"\\\{\{|\{\{(.*?)\}\}|\{\{", re.DOTALL)


@native("render")
def render(template: Value, values: Value) -> str:
    """Return the template with the value of each name in its place."""
    text = need_text("render", 1, template)
    need_map("render", 2, values)
    parts: list[str] = []
    at = size = 0
    for hole in _HOLE.finditer(text):
        parts.append(text[at : hole.start()])
        at = hole.end()
        if hole[0] == "\\{{":
            parts.append("{{")
        else:
            found = _find(_name_in(text, hole), values)
            if unrealised_inside(found):
                raise all_of(vector((found,)))
            parts.append(to_text(found))
        size += sum(map(len, parts[-2:]))
        allow_characters("render", size)
    need_characters("render", size + len(text) - at)
    charge(len(parts) + (len(text) >> 6))
    return "".join((*parts, text[at:]))


@native("names")
def names(template: Value) -> Value:
    """Return the names in a template, each once, in their order."""
    text = need_text("names", 1, template)
    # One by one: behind one that is never closed the end of each would be looked for.
    found = [_name_in(text, hole) for hole in _HOLE.finditer(text) if hole[0] != "\\{{"]
    charge(len(found) + (len(text) >> 6))
    return vector(dict.fromkeys(found))


def _name_in(text: str, hole: re.Match[str]) -> str:
    if hole[1] is None:
        line = _line_of(text, hole)
        fail("FM0507", "parse/template", f"the template never closes the {{{{ of line {line}")
    name = hole[1].strip()
    if not name or re.search(r"[\s{}]", name):
        line = _line_of(text, hole)
        why = f"the template needs a name between braces, line {line} has {show(hole[0])}"
        fail("FM0507", "parse/template", why)
    return name


def _line_of(text: str, hole: re.Match[str]) -> int:
    return text.count("\n", 0, hole.start()) + 1


def _find(name: str, values: Value) -> Value:
    whole = _get(values, name)
    if whole is not MISSING:
        return whole
    for part in name.split("."):
        inner = _get(values, part)
        if inner is MISSING:
            raise _no_value(name, part, values)
        values = inner
    return values


def _get(values: Value, name: str) -> Value:
    if type(values) not in MAPS:
        return MISSING
    found = values.get(keyword(name), MISSING) if name else MISSING
    return values.get(name, MISSING) if found is MISSING else found


def _no_value(name: str, part: str, values: Value) -> FlowError:
    from flowmetal.errors.suggestions import did_you_mean

    keys = [key for key, _ in values.items()] if type(values) in MAPS else []
    known = [key.text if isinstance(key, Keyword) else key for key in keys]
    hint = did_you_mean(part, [key for key in known if isinstance(key, str)])
    return library_error(
        "FM0520",
        "key/missing",
        f"`render` has no value for {{{{{name}}}}}, it got {show(list_of(keys))}"
        + (f": {hint}" if hint else ""),
    )
