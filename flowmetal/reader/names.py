"""Keywords and symbols by their text, with the aliases of ``::alias/name`` resolved."""

from __future__ import annotations

from flowmetal.reader.anonymous import Arguments
from flowmetal.reader.literals import Unreadable, cut, split_name
from flowmetal.reader.options import ReadOptions
from flowmetal.source import Span
from flowmetal.values.kinds import Value
from flowmetal.values.names import Keyword, Symbol

_CONSTANTS = {"nil": None, "true": True, "false": False}
_ASCRIPTIONS = frozenset({"|-", "⊢"})


class Names:
    """The names of one source; texts seen before are not taken apart again."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._split: dict[str, tuple[str | None, str]] = {}
        self._keywords: dict[str, Keyword] = {}

    def keyword(self, text: str) -> Keyword:
        """Return the keyword written as ``text``, with its colons."""
        known = self._keywords.get(text)
        if known is not None:
            return known
        if text.startswith("::"):
            alias, name = split_name(text[2:])
            return Keyword.of(self.namespace(alias, text), name)
        namespace, name = split_name(text[1:])
        self._keywords[text] = made = Keyword.of(namespace, name)
        return made

    def namespace(self, alias: str | None, text: str) -> str:
        """Return what ``alias`` in ``text`` stands for, the current namespace for None."""
        if self._options.edn:
            raise Unreadable("FM0046", f"`{cut(text)}` is code, and only data is read here")
        namespace = self._options.resolve_alias(alias)
        if namespace is None:
            raise Unreadable(
                "FM0026",
                f"unknown namespace alias `{alias}` in `{cut(text)}`",
                hint=f"add :as {alias} to a require of this namespace",
            )
        return namespace

    def symbol(self, text: str, span: Span, arguments: Arguments | None) -> Value:
        """Return what the bare word ``text`` is: a symbol, a constant, an argument, or ``:-``."""
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if text[0] == "%" and arguments is not None:
            return arguments.use(text, span)
        if text in _ASCRIPTIONS and not self._options.edn:
            return Keyword.of(None, "-")
        known = self._split.get(text)
        if known is None:
            self._split[text] = known = split_name(text)
        return Symbol(known[0], known[1], None, span)
