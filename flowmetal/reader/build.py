"""Nodes become values, without recursion: nesting is limited by memory only.

A ``FormBuilder`` walks one top-level node at a time with a stack of its own. A
mistake does not stop it: it is noted in ``problems`` and nil stands for the
value, so that one read reports them all. What a reader conditional does not
choose is never looked at, so it may hold tags and aliases that nobody here knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from flowmetal.errors import Diagnostic, FlowmetalError, Label
from flowmetal.reader.anonymous import Arguments
from flowmetal.reader.conditionals import chosen_branch, spliced_forms
from flowmetal.reader.fresh import FreshNames
from flowmetal.reader.literal_collections import add_metadata, qualify_keys, repeated_key
from flowmetal.reader.literals import (
    Unreadable,
    cut,
    read_char,
    read_number,
    read_string,
    read_symbolic,
    split_name,
)
from flowmetal.reader.names import Names
from flowmetal.reader.nodes import Kind, Node
from flowmetal.reader.options import ReadOptions
from flowmetal.reader.positions import Positions
from flowmetal.reader.problems import Problems
from flowmetal.reader.syntax_quote import SyntaxQuote
from flowmetal.reader.tagged import BUILT_IN_TAGS
from flowmetal.reader.tokens import tokenize
from flowmetal.source import Span
from flowmetal.values.errors import FlowError
from flowmetal.values.kinds import Value
from flowmetal.values.lists import list_of
from flowmetal.values.map import hash_map
from flowmetal.values.names import Symbol, VarRef
from flowmetal.values.scalars import Regex, TaggedLiteral
from flowmetal.values.set import set_of
from flowmetal.values.vector import vector

_CORE = "flow.core"
_COLLECTIONS = frozenset({Kind.LIST, Kind.VECTOR, Kind.MAP, Kind.SET, Kind.FN, Kind.NAMESPACED_MAP})
MAX_TEMPLATES = 6  # each level of syntax quote in syntax quote makes an expansion thrice as large
_LEVELS = {Kind.SYNTAX_QUOTE: 1, Kind.UNQUOTE: -1, Kind.UNQUOTE_SPLICING: -1}
_NOT_IN_DATA = frozenset(
    {
        Kind.FN,
        Kind.QUOTE,
        Kind.SYNTAX_QUOTE,
        Kind.UNQUOTE,
        Kind.UNQUOTE_SPLICING,
        Kind.DEREF,
        Kind.CONDITIONAL,
        Kind.SPLICED,
    }
)


class ReadForm(NamedTuple):
    """A top-level form and where it stands."""

    form: Value
    span: Span


class _Frame:
    """A form under construction: the children still to come, and those that are there.

    ``templates`` counts the syntax quotes around it that are not unquoted.
    """

    __slots__ = ("arguments", "faults_before", "node", "pending", "spans", "templates", "values")

    def __init__(
        self,
        node: Node,
        children: Sequence[Node],
        arguments: Arguments | None,
        faults_before: int,
        templates: int,
    ) -> None:
        self.node = node
        self.pending = list(reversed(children))
        self.values: list[Value] = []
        self.spans: list[Span] = []
        self.arguments = arguments
        self.faults_before = faults_before
        self.templates = templates


class FormBuilder:
    """Builds the forms of one source, in order."""

    def __init__(self, positions: Positions, options: ReadOptions) -> None:
        self.problems = Problems(positions)
        self._positions = positions
        self._options = options
        self._names = Names(options)
        self._fresh_names = FreshNames(str)

    def build(self, node: Node) -> ReadForm | None:
        """Build one top-level form; None where a reader conditional leaves nothing."""
        self._fresh_names = FreshNames(lambda: self._origin(node), self._options.next_number)
        root = _Frame(node, (node,), None, 0, 0)
        stack = [root]
        while True:
            frame = stack[-1]
            if frame.pending:
                self._advance(frame, stack)
                continue
            stack.pop()
            if not stack:
                return ReadForm(root.values[0], root.spans[0]) if root.values else None
            value, span = self._finish(frame)
            stack[-1].values.append(value)
            stack[-1].spans.append(span)

    # -- going down ----------------------------------------------------------------------

    def _advance(self, frame: _Frame, stack: list[_Frame]) -> None:
        """Take children of ``frame`` until it has them all, or one that has children itself."""
        pending, values, spans = frame.pending, frame.values, frame.spans
        while pending:
            node = pending.pop()
            read = _ATOMS.get(node.kind)
            if read is not None:
                span = self._span(node)
                try:
                    value = read(self, node, span, frame)
                except Unreadable as fault:
                    self.problems.unreadable(node, fault)
                    value = None
                values.append(value)
                spans.append(span)
            elif self._options.edn and node.kind in _NOT_IN_DATA:
                message = f"{node.kind.value} is code, and only data is read here"
                self.problems.at(node, "FM0046", message)
            elif node.kind is Kind.CONDITIONAL:
                pending += chosen_branch(node, self._options.features, self.problems)
            elif node.kind is Kind.SPLICED:
                pending += reversed(self._splice(node, frame))
            elif node.kind is Kind.DISCARD:
                self.problems.missing_operand(node)
            else:
                stack.append(self._open(node, frame))
                return

    def _open(self, node: Node, parent: _Frame) -> _Frame:
        children, arguments, faults = node.children, parent.arguments, self.problems.faults
        if node.kind is Kind.FN:
            if arguments is not None:
                self.problems.at(
                    node,
                    "FM0040",
                    "function literals do not nest",
                    label="inside another `#()`",
                    help=("write the inner one as (fn [x] ...)",),
                    whole=False,
                )
            arguments = Arguments(self._fresh_names.mark())
        elif node.kind is Kind.NAMESPACED_MAP and children[0].kind is Kind.MAP:
            children = children[0].children
        templates = max(parent.templates + _LEVELS.get(node.kind, 0), 0)
        if templates > MAX_TEMPLATES:
            self.problems.at(node, "FM0047", "syntax quotes nest too deeply", whole=False)
            children = ()
        return _Frame(node, children, arguments, faults, templates)

    def _splice(self, node: Node, frame: _Frame) -> Sequence[Node]:
        if frame.node is node or frame.node.kind not in _COLLECTIONS:
            message = "`#?@` stands in a list, vector, map or set only"
            self.problems.at(node, "FM0044", message)
            return ()
        return spliced_forms(node, self._options.features, self.problems)

    # -- coming up -----------------------------------------------------------------------

    def _finish(self, frame: _Frame) -> tuple[Value, Span]:
        """Make the value of a frame whose children are all there."""
        node = frame.node
        span = self._span(node)
        if self.problems.faults > frame.faults_before:
            return None, span  # whatever is wrong with it now follows from what was reported
        if node.kind not in _COLLECTIONS and len(frame.values) < len(node.children):
            self.problems.at(
                node,
                "FM0045",
                f"nothing is left for `{cut(node.text)}`",
                label="the reader conditional has no branch for this reader",
                help=("add a :default branch",),
            )
            return None, span
        try:
            value = _FORMS[node.kind](self, frame, span)
        except Unreadable as fault:
            self.problems.unreadable(node, fault)
            return None, span
        return value, frame.spans[1] if node.kind is Kind.META else span

    def _finish_list(self, frame: _Frame, span: Span) -> Value:
        return list_of(frame.values, None, span, tuple(frame.spans))

    def _finish_vector(self, frame: _Frame, span: Span) -> Value:
        return vector(frame.values, None, span, tuple(frame.spans))

    def _finish_map(self, frame: _Frame, span: Span) -> Value:
        return self._map(frame.values, frame, span)

    def _finish_namespaced_map(self, frame: _Frame, span: Span) -> Value:
        node = frame.node
        if node.children[0].kind is not Kind.MAP:
            message = f"`{cut(node.text)}` needs a map after it"
            label = f"this is {node.children[0].kind.value}"
            self.problems.at(node.children[0], "FM0034", message, label=label)
            return None
        return self._map(qualify_keys(frame.values, self._map_namespace(node)), frame, span)

    def _map_namespace(self, node: Node) -> str:
        text = node.text[2:]
        if text.startswith(":"):
            return self._names.namespace(text[1:] or None, node.text)
        if split_name(text)[0] is not None:
            raise Unreadable("FM0034", f"`{cut(node.text)}` is not a namespace")
        return text

    def _map(self, items: list[Value], frame: _Frame, span: Span) -> Value:
        if len(items) % 2:
            label = Label(frame.spans[-1], "this key has no value")
            self.problems.add(Diagnostic("FM0031", "a map needs a value for every key", (label,)))
            return None
        if repeated := repeated_key(items[::2]):
            self._repeated("FM0032", "key", "map", frame.spans[::2], repeated)
            return None
        pairs = zip(items[::2], items[1::2], strict=True)
        return hash_map(pairs, None, span, tuple(frame.spans))

    def _finish_set(self, frame: _Frame, span: Span) -> Value:
        if repeated := repeated_key(frame.values):
            self._repeated("FM0033", "element", "set", frame.spans, repeated)
            return None
        return set_of(frame.values, None, span, tuple(frame.spans))

    def _repeated(
        self, code: str, what: str, where: str, spans: Sequence[Span], at: tuple[int, int]
    ) -> None:
        first, second = (spans[index] for index in at)
        text = self._positions.slice(second)
        labels = (Label(second, "here again"), Label(first, "first here", primary=False))
        message = f"the {what} {cut(text)} is in this {where} twice"
        self.problems.add(Diagnostic(code, message, labels))

    def _finish_fn(self, frame: _Frame, span: Span) -> Value:
        opener = self._positions.span(frame.node.start, frame.node.start + 2)
        assert frame.arguments is not None
        parameters = frame.arguments.parameters(opener)
        places = (opener,) * len(parameters)
        body = list_of(frame.values, None, span, tuple(frame.spans))
        items = (
            Symbol(None, "fn*", None, opener),
            vector(parameters, None, opener, places),
            body,
        )
        return list_of(items, None, span, (opener, opener, span))

    def _wrap(self, frame: _Frame, span: Span) -> Value:
        """Make ``'x`` the list (quote x), and so on."""
        node = frame.node
        prefix = self._positions.span(node.start, node.start + len(node.text))
        name = Symbol(*_WRAPPERS[node.kind], None, prefix)
        return list_of((name, frame.values[0]), None, span, (prefix, frame.spans[0]))

    def _finish_var(self, frame: _Frame, span: Span) -> Value:
        name = frame.values[0]
        if not isinstance(name, Symbol):
            raise Unreadable("FM0035", "`#'` needs the name of a var after it")
        return VarRef(name.text) if self._options.edn else self._wrap(frame, span)

    def _finish_read_eval(self, frame: _Frame, span: Span) -> Value:
        raise Unreadable(
            "FM0015", "`#=` is not read: nothing is evaluated here", hint="use a macro"
        )

    def _finish_syntax_quote(self, frame: _Frame, span: Span) -> Value:
        expansion = SyntaxQuote(self._options.resolve_symbol, self._fresh_names)
        return expansion.expand(frame.values[0], frame.spans[0])

    def _finish_meta(self, frame: _Frame, span: Span) -> Value:
        return add_metadata(frame.values[1], frame.values[0])

    def _finish_tag(self, frame: _Frame, span: Span) -> Value:
        node = frame.node
        form = frame.values[0]
        namespace, name = split_name(node.text[1:])
        tag = Symbol(
            namespace, name, None, self._positions.span(node.start + 1, node.start + len(node.text))
        )
        read = BUILT_IN_TAGS.get(tag.text) or self._options.tag_reader(tag)
        if read is None:
            return TaggedLiteral(tag, form)
        try:
            return read(form)
        except (ValueError, FlowError, FlowmetalError) as fault:
            labels = (Label(frame.spans[0], "this value"),)
            message = f"{node.text} cannot read this: {fault}"
            self.problems.add(Diagnostic("FM0029", message, labels))
            return None

    # -- atoms ---------------------------------------------------------------------------

    def _keyword(self, node: Node, span: Span, frame: _Frame) -> Value:
        return self._names.keyword(node.text)

    def _symbol(self, node: Node, span: Span, frame: _Frame) -> Value:
        return self._names.symbol(node.text, span, frame.arguments)

    def _regex(self, node: Node, span: Span, frame: _Frame) -> Value:
        return Regex(node.text[2:-1])

    def _unreadable(self, node: Node, span: Span, frame: _Frame) -> Value:
        raise _explain_unreadable(node.text)

    def _broken(self, node: Node, span: Span, frame: _Frame) -> Value:
        self.problems.faults += 1
        return None

    def _no_operand(self, node: Node, span: Span, frame: _Frame) -> Value:
        if not frame.values or frame.node.children[0].kind is not Kind.MISSING:
            self.problems.missing_operand(frame.node)  # once, where `^` lacks both of its operands
        return None

    def _origin(self, node: Node) -> str:
        """Return what made-up names are made of: the form as tokens, however it is laid out."""
        namespace = None if self._options.edn else self._options.resolve_alias(None)
        text = self._positions.text[node.start : node.end]
        return f"{namespace}\n{' '.join(token.value for token in tokenize(text))}"

    def _span(self, node: Node) -> Span:
        return self._positions.span(node.start, node.end)


def _explain_unreadable(text: str) -> Unreadable:
    if text[0] != "#":
        return Unreadable(
            "FM0001",
            f"the character {cut(text)} cannot stand here"
            if text.isprintable()
            else f"the invisible character U+{ord(text):04X} cannot stand here",
            hint="remove it, or write it as an escape in a string",
        )
    hint = "print with pr-str something that can be read back" if text[:2] == "#<" else None
    return Unreadable("FM0015", f"`{cut(text)}` does not begin anything", hint=hint)


_Atom = Callable[[FormBuilder, Node, Span, _Frame], Value]
_Form = Callable[[FormBuilder, _Frame, Span], Value]

# fmt: off
_ATOMS: dict[Kind, _Atom] = {
    Kind.NUMBER:     lambda self, node, span, frame: read_number(node.text),
    Kind.STRING:     lambda self, node, span, frame: read_string(node.text),
    Kind.CHAR:       lambda self, node, span, frame: read_char(node.text),
    Kind.SYMBOLIC:   lambda self, node, span, frame: read_symbolic(node.text),
    Kind.BROKEN:     FormBuilder._broken,
    Kind.KEYWORD:    FormBuilder._keyword,
    Kind.SYMBOL:     FormBuilder._symbol,
    Kind.REGEX:      FormBuilder._regex,
    Kind.UNREADABLE: FormBuilder._unreadable,
    Kind.MISSING:    FormBuilder._no_operand,
}
_FORMS: dict[Kind, _Form] = {
    Kind.LIST:             FormBuilder._finish_list,
    Kind.VECTOR:           FormBuilder._finish_vector,
    Kind.MAP:              FormBuilder._finish_map,
    Kind.NAMESPACED_MAP:   FormBuilder._finish_namespaced_map,
    Kind.SET:              FormBuilder._finish_set,
    Kind.FN:               FormBuilder._finish_fn,
    Kind.QUOTE:            FormBuilder._wrap,
    Kind.DEREF:            FormBuilder._wrap,
    Kind.UNQUOTE:          FormBuilder._wrap,
    Kind.UNQUOTE_SPLICING: FormBuilder._wrap,
    Kind.VAR:              FormBuilder._finish_var,
    Kind.READ_EVAL:        FormBuilder._finish_read_eval,
    Kind.SYNTAX_QUOTE:     FormBuilder._finish_syntax_quote,
    Kind.META:             FormBuilder._finish_meta,
    Kind.TAG:              FormBuilder._finish_tag,
}
_WRAPPERS = {
    Kind.QUOTE:            (None, "quote"),
    Kind.VAR:              (None, "var"),
    Kind.DEREF:            (_CORE, "deref"),
    Kind.UNQUOTE:          (_CORE, "unquote"),
    Kind.UNQUOTE_SPLICING: (_CORE, "unquote-splicing"),
}
# fmt: on
