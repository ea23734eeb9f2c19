"""What is wrong with a source: collected, so that one compilation reports several problems.

A mistake that leaves the rest of its form understandable (an unknown name, a
wrong number of arguments) is reported here and compiling goes on; one that
does not is raised as a CompileError and ends its top-level form only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from flowmetal.errors import CompileError, Diagnostic, FlowmetalError, Label
from flowmetal.source import Span

MOST = 10
"""How many problems one compilation reports."""


@dataclass(slots=True)
class _Unknown:
    """A name that nothing defines, and how often it is used."""

    diagnostic: Diagnostic
    at: int
    more: int = 0


class Problems:
    """The problems found so far, in the order in which they were met."""

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []
        self._unknown: dict[str, _Unknown] = {}

    @property
    def count(self) -> int:
        """Return how many problems were met, repeated ones included."""
        return len(self._found) + sum(unknown.more for unknown in self._unknown.values())

    def __bool__(self) -> bool:
        return bool(self._found)

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        label: str = "",
        help: tuple[str, ...] = (),
        labels: tuple[Label, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> None:
        """Note a problem and go on."""
        primary = Label(span, label)
        self._found.append(Diagnostic(code, message, (primary, *labels), notes, help))

    def add(self, error: FlowmetalError) -> None:
        """Note what a raised error says."""
        self._found.extend(d for d in error.diagnostics if d not in self._found)

    def unknown(self, name: str, diagnostic: Callable[[], Diagnostic]) -> None:
        """Note a use of an unknown name; only its first use makes a diagnostic."""
        known = self._unknown.get(name)
        if known is None:
            made = diagnostic()
            self._unknown[name] = _Unknown(made, len(self._found))
            self._found.append(made)
        else:
            known.more += 1

    def unknown_names(self) -> tuple[str, ...]:
        return tuple(self._unknown)

    def add_help(self, name: str, help: str) -> None:
        """Say more about an unknown name, instead of what was guessed before."""
        unknown = self._unknown[name]
        self._found[unknown.at] = replace(self._found[unknown.at], help=(help,))

    def error(self) -> CompileError:
        """Return the error that reports everything found, up to ``MOST`` problems."""
        found = list(self._found)
        for unknown in self._unknown.values():
            if unknown.more:
                uses = "use" if unknown.more == 1 else "uses"
                first = found[unknown.at]
                message = f"{first.message} (and {unknown.more} more {uses})"
                found[unknown.at] = replace(first, message=message)
        error = CompileError.of(tuple(found[:MOST]))
        assert isinstance(error, CompileError)
        if len(found) > MOST:
            error.with_note(f"{len(found) - MOST} more problems are not shown")
        return error
