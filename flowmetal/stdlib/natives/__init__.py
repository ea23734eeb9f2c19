"""All native functions of the library, by full name."""

from __future__ import annotations

from flowmetal.stdlib.natives import (
    cells,
    collections,
    command_lines,
    csv,
    encodings,
    fibers,
    formats,
    host,
    lookup,
    matching,
    maths,
    numbers,
    paths,
    predicates,
    pretty,
    regex,
    retrying,
    runs,
    schedules,
    secrets,
    sequences,
    sorted,
    sorting,
    statics,
    strings,
    templates,
    testing,
    text,
    times,
    types,
    urls,
)
from flowmetal.vm.state import Native

_TABLES = (
    predicates.native,
    numbers.native,
    collections.native,
    lookup.native,
    matching.native,
    sequences.native,
    sorting.native,
    secrets.native,
    sorted.native,
    types.native,
    statics.native,
    cells.native,
    fibers.native,
    text.native,
    regex.native,
    testing.native,
    pretty.native,
    retrying.native,
    runs.native,
    strings.native,
    maths.native,
    times.native,
    times.core,
    schedules.native,
    paths.native,
    formats.core,
    formats.json,
    formats.edn,
    encodings.base64,
    encodings.hashes,
    urls.native,
    host.native,
    csv.native,
    templates.native,
    command_lines.native,
)


EARLIER = frozenset({"flow.edn/read"})
"""Natives that programs compiled earlier call by name: functions of the language now, so no source declares them."""


def all_natives() -> dict[str, Native]:
    """Return every native by its full name, such as flow.core/first."""
    found: dict[str, Native] = {}
    for table in _TABLES:
        found.update(table.natives)
    return found
