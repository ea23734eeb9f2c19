"""What an expander gets: the forms of the call, and fresh names."""

from __future__ import annotations

from dataclasses import dataclass

from flowmetal.compiler.context import Context
from flowmetal.compiler.forms import Syntax
from flowmetal.errors import CompileError
from flowmetal.source import Span
from flowmetal.values import Symbol, Value


@dataclass(frozen=True, slots=True)
class MacroCall:
    """A call of one of the compiler's own macros. ``items`` has the head first."""

    context: Context
    span: Span
    form: Value
    items: list[Syntax]

    @property
    def name(self) -> str:
        return str(self.items[0].form.name)

    @property
    def arguments(self) -> list[Syntax]:
        return self.items[1:]

    def fresh(self, hint: str, span: Span) -> Syntax:
        """Return a local name that no program has, standing at ``span``."""
        return Syntax(Symbol(None, self.context.unit.fresh(hint), None, span), span)

    def wrong(
        self, code: str, message: str, span: Span | None = None, hint: str | None = None
    ) -> CompileError:
        """Return an error about the call."""
        return CompileError(code, message, span or self.span, hint=hint)
