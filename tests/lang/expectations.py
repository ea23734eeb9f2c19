"""Programs with their expectations inside, and how they are read.

```
(def answer 42)              ; a form without an expectation is compiled and kept
(+ answer 1)   ;=> 43        ; the value as it is printed
(/ 1 0)        ;! :arithmetic/divide-by-zero     the :type of the error that is thrown
(let [a] a)    ;! FM0114     ; the beginning of a code, of a thrown error or the compiler's
```

A form and its expectation stand on one line, or the expectation at the end of
the form's last line.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flowmetal.reader import read_all_with_spans
from flowmetal.source import Source, Span


@dataclass(frozen=True, slots=True)
class Example:
    """A form and what is expected of it: ``wanted`` a value, ``error`` a type or a code, or nothing."""

    text: str
    span: Span
    wanted: str | None
    error: str | None


def read_examples(path: Path) -> list[Example]:
    """Return the forms of a file with their expectations."""
    source = Source(path.name, path.read_text("utf-8"))
    lines = source.text.split("\n")
    examples = []
    for form in read_all_with_spans(source):
        span = form.span
        after = lines[span.end_line - 1][span.end_col - 1 :].strip()
        wanted = after[3:].strip() if after.startswith(";=>") else None
        error = after[2:].strip() if after.startswith(";!") else None
        examples.append(Example(text_of(lines, span), span, wanted, error))
    return examples


def text_of(lines: list[str], span: Span) -> str:
    """Return the text of a span."""
    if span.line == span.end_line:
        return lines[span.line - 1][span.col - 1 : span.end_col - 1]
    first, last = lines[span.line - 1], lines[span.end_line - 1]
    return "\n".join(
        [first[span.col - 1 :], *lines[span.line : span.end_line - 1], last[: span.end_col - 1]]
    )
