"""What is known of names: documentation, sources, completions, expansions.

Everything is looked up as the current namespace of a conversation sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import flowmetal
from flowmetal.compiler.environment import Environment, VarInfo
from flowmetal.compiler.resolution import Expander, Names
from flowmetal.embed.examples import examples_of
from flowmetal.embed.special_documentation import SPECIAL, Special
from flowmetal.errors import FlowmetalError
from flowmetal.reader import ReadOptions, read_all_with_spans
from flowmetal.source import Source, Span
from flowmetal.values import Regex, Symbol, Value, keyword, list_of, pr_str, show, symbol
from flowmetal.values.errors import flow_error
from flowmetal.vm.state import Native

_DOC = keyword("doc")
_SOURCES = Path(flowmetal.__file__).parent / "stdlib"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a name. ``kind``: function, macro, var, special form or namespace."""

    name: str
    kind: str
    arglists: tuple[str, ...] = ()
    doc: str = ""

    def text(self) -> str:
        """Return it as ``doc`` prints it."""
        lines = [self.name]
        if self.arglists:
            lines.append(f"({' '.join(self.arglists)})")
        if self.kind not in ("function", "var"):
            lines.append(self.kind)
        lines += [f"  {line.strip()}" for line in self.doc.splitlines()]
        return "\n".join(lines)


class Lookup:
    """Answers questions about names. ``names`` gives the current view, ``locals`` what hides vars in it."""

    def __init__(
        self,
        environment: Environment,
        names: Callable[[], Names],
        texts: Callable[[], Mapping[str, str]],
        locals: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._environment = environment
        self._locals = locals
        self._names = names
        self._texts = texts

    def natives(self) -> tuple[Native, ...]:
        """Return the functions of flow.repl that look things up."""
        rows = (
            ("-doc", self._doc),
            ("-source", self._source),
            ("-find-doc", self._find_doc),
            ("apropos", self._apropos),
            ("dir-names", self._dir),
        )
        return tuple(Native(f"flow.repl/{name}", call, 1, 1) for name, call in rows)

    def find(self, name: str) -> Known | None:
        """Return what is known of a name as it may be written in the current namespace."""
        if name in SPECIAL:
            return _special(name, SPECIAL[name])
        names = self._names()
        try:
            found = names.find(symbol(name))
        except (FlowmetalError, ValueError):
            return None
        if isinstance(found, VarInfo):
            return _known(found)
        if isinstance(found, Expander):
            row = SPECIAL.get(found.name, Special("macro", (), ""))
            return _special(f"flow.core/{found.name}", row)
        space = self._environment.namespace(names.namespace_of(name) or "")
        if space is None:
            return None
        doc = None if space.meta is None else space.meta.get(_DOC)
        return Known(space.name, "namespace", doc=doc if isinstance(doc, str) else "")

    def candidates(self, prefix: str) -> Iterator[Known]:
        """Yield what a name that begins with ``prefix`` may become, under the names to be written."""
        names = self._names()
        qualifier, slash, rest = prefix.rpartition("/")
        if slash and qualifier:
            space = self._environment.namespace(names.namespace_of(qualifier) or "")
            for public in () if space is None else space.publics():
                if public.startswith(rest) and _shown(public, rest):
                    assert space is not None
                    var = space.find(public)
                    assert var is not None
                    yield _renamed(_known(var), f"{qualifier}/{public}")
            return
        for name in self._locals():
            if name.startswith(prefix):
                yield Known(name, "local")
        for name in dict.fromkeys((*SPECIAL, *names.names_in_sight())):
            if name.startswith(prefix) and _shown(name, prefix):
                known = self.find(name)
                if known is not None:
                    yield _renamed(known, name)
        for alias, target in names.namespace.aliases.items():
            if alias.startswith(prefix):
                yield Known(f"{alias}/", "namespace", doc=target)
        for namespace in self._environment.names():
            if namespace.startswith(prefix):
                yield Known(namespace, "namespace")

    def takes_body(self, head: str) -> bool:
        """Say whether a name is a macro whose last parameters are a body."""
        known = self.find(head)
        return (
            known is not None
            and known.kind == "macro"
            and any("& body" in a for a in known.arglists)
        )

    # -- natives -------------------------------------------------------------------------

    def _doc(self, name: Value) -> str:
        known = self.find(_text_of(name))
        if known is None:
            return f"nothing is known of {_text_of(name)}"
        section = examples_of(known.name)
        if section is None:
            return known.text()
        examples = "\n".join(f"  {line}".rstrip() for line in section.text.splitlines())
        return f"{known.text()}\n\n{examples}"

    def _source(self, name: Value) -> str | None:
        found = self._names().find(symbol(_text_of(name)))
        if not isinstance(found, VarInfo) or found.span is None:
            return None
        text = self._texts().get(found.span.path) or _library_text(found.span.path)
        return None if text is None else form_around(Source(found.span.path, text), found.span)

    def _find_doc(self, pattern: Value) -> str:
        matches = _matcher(pattern)
        texts = [k.text() for k in self._everything() if matches(k.name) or matches(k.doc)]
        return "\n\n".join(texts)

    def _apropos(self, pattern: Value) -> Value:
        matches = _matcher(pattern)
        names = (known.name for known in self._everything())
        found = (name for name in names if matches(name.rpartition("/")[2] or "/"))
        return list_of(symbol(name) for name in sorted(found))

    def _dir(self, namespace: Value) -> Value:
        name = _text_of(namespace)
        space = self._environment.namespace(self._names().namespace_of(name) or "")
        if space is None:
            raise flow_error("FM0203", "key/missing", f"there is no namespace `{name}`")
        return list_of(symbol(public) for public in sorted(space.publics()) if _shown(public, ""))

    def _everything(self) -> Iterator[Known]:
        for namespace in self._environment.names():
            space = self._environment.namespace(namespace)
            assert space is not None
            for name in space.publics():
                var = space.find(name)
                if var is not None and _shown(name, ""):
                    yield _known(var)
        for name, special in SPECIAL.items():
            yield _special(name, special)


def form_around(source: Source, span: Span) -> str | None:
    """Return the text of the top-level form that ``span`` lies in."""
    options = ReadOptions(resolve_alias=lambda alias: alias or "user")
    try:
        forms = read_all_with_spans(source, options)
    except FlowmetalError:
        return None
    place = (span.line, span.col)
    for _, around in forms:
        if (around.line, around.col) <= place < (around.end_line, around.end_col):
            lines = source.text.split("\n")[around.line - 1 : around.end_line]
            lines[-1] = lines[-1][: around.end_col - 1]
            lines[0] = lines[0][around.col - 1 :]
            return "\n".join(lines)
    return None


def _library_text(path: str) -> str | None:
    """Return a source of the library, whose paths are relative to the library."""
    file = _SOURCES / path
    if path.startswith("flow/") and ".." not in path and file.is_file():
        return file.read_text("utf-8")
    return None


def _known(var: VarInfo) -> Known:
    doc = None if var.meta is None else var.meta.get(_DOC)
    arglists = tuple(pr_str(arglist) for arglist in var.arglists)
    kind = "macro" if var.macro else "function" if arglists else "var"
    return Known(var.name, kind, arglists, doc if isinstance(doc, str) else "")


def _special(name: str, row: Special) -> Known:
    return Known(name, row.kind, row.shapes, row.doc)


def _renamed(known: Known, name: str) -> Known:
    return Known(name, known.kind, known.arglists, known.doc)


def _shown(name: str, prefix: str) -> bool:
    """Say whether a name is meant for users: ``-helper`` is not, unless somebody types the dash."""
    return prefix.startswith("-") or not (name[0] == "-" and name[1:2].isalpha())


def _text_of(name: Value) -> str:
    if isinstance(name, Symbol):
        return name.text
    if isinstance(name, str):
        return name
    raise flow_error("FM0310", "type/mismatch", f"a name is needed, got {show(name)}")


def _matcher(pattern: Value) -> Callable[[str], bool]:
    from flowmetal.stdlib.natives.regex import compile_regex

    if isinstance(pattern, Regex):
        search = compile_regex(pattern.pattern, pattern.flags).search
        return lambda text: search(text) is not None
    wanted = _text_of(pattern).lower()
    return lambda text: wanted in text.lower()
