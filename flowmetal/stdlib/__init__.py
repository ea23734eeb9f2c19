"""The standard library: sources in Flowmetal (``flow/``) over native leaves (``natives/``).

``SOURCES`` has the files below ``flow/`` in the order in which they are
compiled: a file may use what stands before it. The files of ``core/`` make
up one namespace, flow.core.
"""

from __future__ import annotations

SOURCES: tuple[str, ...] = (
    "core/kinds.flow",
    "core/numbers.flow",
    "core/collections.flow",
    "core/macros.flow",
    "core/cells.flow",
    "core/text.flow",
    "core/reduce.flow",
    "core/lazy.flow",
    "core/groups.flow",
    "core/sorted.flow",
    "core/conditions.flow",
    "core/types.flow",
    "core/eager.flow",
    "core/effects.flow",
    "core/fibers.flow",
    "core/statics.flow",
    "string.flow",
    "set.flow",
    "walk.flow",
    "zip.flow",
    "data.flow",
    "pprint.flow",
    "math.flow",
    "json.flow",
    "edn.flow",
    "base64.flow",
    "hash.flow",
    "url.flow",
    "csv.flow",
    "template.flow",
    "cli.flow",
    "match.flow",
    "time.flow",
    "retry.flow",
    "saga.flow",
    "async.flow",
    "event.flow",
    "log.flow",
    "env.flow",
    "secret.flow",
    "config.flow",
    "http.flow",
    "sh.flow",
    "fs.flow",
    "test.flow",
)
