"""Examples of every public name of the library; ``flowmetal.embed.examples`` says how to read them.

``FILES`` has the groups in the order in which documentation shows them.
"""

from __future__ import annotations

FILES: tuple[str, ...] = (
    "core/forms.flow",
    "core/control.flow",
    "core/functions.flow",
    "core/errors.flow",
    "core/values.flow",
    "core/numbers.flow",
    "core/text.flow",
    "core/collections.flow",
    "core/sequences.flow",
    "core/sorted.flow",
    "core/transducers.flow",
    "core/state.flow",
    "core/types.flow",
    "core/printing.flow",
    "core/namespaces.flow",
    "core/effects.flow",
    "string.flow",
    "set.flow",
    "walk.flow",
    "edn.flow",
    "json.flow",
    "csv.flow",
    "url.flow",
    "base64.flow",
    "hash.flow",
    "math.flow",
    "match.flow",
    "pprint.flow",
    "template.flow",
    "cli.flow",
    "time.flow",
    "retry.flow",
    "saga.flow",
    "event.flow",
    "log.flow",
    "env.flow",
    "http.flow",
    "sh.flow",
    "fs.flow",
    "test.flow",
)
