"""From forms to the tree: one top-level form at a time.

``visit`` looks at a form and either answers with a node or returns a walk, a
generator that asks for the nodes of the forms inside (``trampoline.py``).
Special forms are in ``special_*.py``, calls in ``calls.py``, macros in
``macroexpansion.py``.
"""

from __future__ import annotations

from flowmetal.bytecode.opcodes import Op
from flowmetal.compiler.calls import analyse_call, called_var
from flowmetal.compiler.classes import (
    class_of_symbol,
    constant_of_class,
    construction,
    record_literal,
    symbol_of_class,
)
from flowmetal.compiler.context import Ask, Context, SpecialForm, Walk
from flowmetal.compiler.environment import VarInfo
from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.compiler.forms import (
    CORE,
    Syntax,
    children,
    is_sequence,
    made_constant,
    meta_of,
    without_spans,
)
from flowmetal.compiler.macroexpansion import expand
from flowmetal.compiler.nodes import Constant, Local, NativeCall, Node, Operation, Var
from flowmetal.compiler.resolution import Expander
from flowmetal.compiler.special_binding import BINDING_FORMS
from flowmetal.compiler.special_control import CONTROL_FORMS
from flowmetal.compiler.special_vars import VAR_FORMS
from flowmetal.compiler.trampoline import answer
from flowmetal.compiler.unknown import (
    is_interop,
    report_interop,
    report_private,
    report_unknown,
)
from flowmetal.errors import CompileError
from flowmetal.source import Span
from flowmetal.values import (
    EMPTY_LIST,
    Map,
    Record,
    Regex,
    Set,
    SortedMap,
    SortedSet,
    Symbol,
    TaggedLiteral,
    Value,
    Vector,
    hash_map,
    is_endless,
    keyword,
    kind_of,
    pr_str,
    set_of,
    vector,
)
from flowmetal.values.kinds import OPAQUE
from flowmetal.values.literals import key_twice

_TAG = keyword("tag")
_RE_PATTERN = f"{CORE}/re-pattern"
SPECIALS: dict[str, SpecialForm] = {**CONTROL_FORMS, **BINDING_FORMS, **VAR_FORMS}


def analyse(context: Context, ask: Ask) -> Node:
    """Return the tree of a form. Raises CompileError; lesser problems are reported."""

    def ask_for(request: Ask) -> Node | Walk:
        return visit(context, request)

    return answer(ask_for, ask)


def visit(context: Context, ask: Ask) -> Node | Walk:
    """Answer a request, or return the walk that will."""
    while True:
        form = ask.form
        if isinstance(form, Symbol):
            return _symbol(context, ask, form)
        if is_sequence(form):
            if is_endless(form):
                raise CompileError("FM0125", "a macro made a sequence without end", ask.span)
            found = _list(context, ask)
            if not isinstance(found, Ask):
                return found
            ask = found
        elif isinstance(form, (Vector, Map, Set)) and not isinstance(form, Record):
            if len(form) or form.meta:
                return _collection(context, ask)
            return Constant(ask.span, _constant(form))
        elif isinstance(form, SortedMap):  # only a macro or eval makes one: code like any other map
            ask = ask._replace(form=hash_map(form.items(), form.meta))
        elif isinstance(form, SortedSet):
            ask = ask._replace(form=set_of(form, form.meta))
        else:
            return _atom(context, ask)


def macro_at(context: Context, ask: Ask) -> VarInfo | Expander | None:
    """Return the macro that a list calls, None if it is no macro call."""
    head = next(iter(ask.form), None)
    if not isinstance(head, Symbol) or (head.ns is None and head.name in SPECIALS):
        return None
    if head.ns is None and context.scope.find(head.name) is not None:
        return None
    found = context.names.find(head)
    if isinstance(found, Expander) or (found is not None and found.macro):
        if isinstance(found, Expander):
            if found.is_private and not ask.made and not context.options.library:
                raise CompileError("FM0104", f"`{CORE}/{found.name}` is private", ask.span)
        else:
            if found.broken:
                return None
            _check_private(context, ask, found)
        return found
    return None


def _calls_broken_macro(context: Context, head: Syntax) -> bool:
    """Say whether a list calls a macro with an error: its arguments mean nothing by themselves."""
    var = called_var(context, head)
    return var is not None and var.broken and var.macro


def _list(context: Context, ask: Ask) -> Node | Walk | Ask:
    """Look at a list: the answer, a walk, or the request for what it expands to."""
    head = next(iter(ask.form), EMPTY_LIST)
    if head is EMPTY_LIST and not list(ask.form):
        return Constant(ask.span, EMPTY_LIST)
    macro = macro_at(context, ask)
    if macro is not None:
        return expand(context, ask, macro)
    items = children(ask.form, ask.span)
    if isinstance(head, Symbol) and head.ns is None:
        if head.name == "new" or _constructs(head):
            made = _constructed(context, ask, items)
            if made is not None:
                return made
        special = SPECIALS.get(head.name)
        if special is not None:
            return special(context, ask, items)
        if is_interop(head):
            report_interop(context, head.text, items[0].span)
            return Constant(ask.span, None)
    if _calls_broken_macro(context, items[0]):
        return Constant(ask.span, None)
    return analyse_call(context, ask, items)


def _constructs(head: Symbol) -> bool:
    """Say whether a name is spelled as a constructor of the host: ``Order.``."""
    return len(head.name) > 1 and head.name.endswith(".") and head.name != ".."


def _constructed(context: Context, ask: Ask, items: list[Syntax]) -> Ask | None:
    """Return the request for what ``(Order. a b)`` or ``(new Order a b)`` means here."""
    head, *arguments = items
    if head.form.name == "new":
        if not arguments or not isinstance(arguments[0].form, Symbol):
            return None
        cls: Symbol = arguments.pop(0).form
    else:
        cls = Symbol(None, head.form.name[:-1], None, head.span)
    made = construction(context.names, cls, [item.form for item in arguments])
    return None if made is None else ask._replace(form=made, made=ask.made + 1)


# -- names -------------------------------------------------------------------------------


def _symbol(context: Context, ask: Ask, symbol: Symbol) -> Node:
    if symbol.ns is None:
        binding = context.scope.find(symbol.name)
        if binding is not None:
            context.scope.use(binding)
            return Local(ask.span, binding)
    found = context.names.find(symbol)
    if isinstance(found, VarInfo) and not found.macro:
        _check_private(context, ask, found)
        return Var(ask.span, found.name, found.dynamic)
    nothing = Constant(ask.span, None)
    if found is not None or (symbol.ns is None and symbol.name in SPECIALS):
        kind = "macro" if found is not None else "special form"
        context.problems.report(
            "FM0106",
            f"`{symbol.text}` is a {kind}, not a value",
            ask.span,
            help=(f"wrap it in a function: #({symbol.text} ...)",),
        )
    elif (cls := class_of_symbol(context.names, symbol)) is not None:
        return Constant(ask.span, symbol_of_class(cls))
    elif (value := constant_of_class(context.names, symbol)) is not None:
        return Constant(ask.span, value)
    elif is_interop(symbol):
        report_interop(context, symbol.text, ask.span)
    else:
        report_unknown(context, symbol, ask.span)
    return nothing


def _check_private(context: Context, ask: Ask, var: VarInfo) -> None:
    # What a macro expands to may use the private vars of the macro's namespace.
    if var.private and not ask.made and var.namespace != context.namespace_name:
        report_private(context, var, ask.span)


# -- literals ----------------------------------------------------------------------------


def _atom(context: Context, ask: Ask) -> Node:
    value = ask.form
    if isinstance(value, TaggedLiteral):
        value = record_literal(context.names, value, ask.span)
    elif kind_of(value) == OPAQUE:
        raise CompileError(
            "FM0125",
            f"a macro put {pr_str(value, 60)} into the code, which is not data",
            ask.span,
            hint="let the macro make code that makes this value",
        )
    elif isinstance(value, Regex):
        _check_regex(context, value, ask.span)
    return Constant(ask.span, made_constant(value, ask.span) if ask.made else value)


def _check_regex(context: Context, regex: Regex, span: Span) -> None:
    """Let the library say whether a literal is a regular expression; one in a function may be used in a year."""
    if context.environment.var(_RE_PATTERN) is None:
        return  # it is the library that is being compiled
    try:
        context.evaluator.call(_RE_PATTERN, (regex.pattern,))
    except EvaluationFailed as failure:
        error = failure.error
        raise CompileError(error.code or "FM0105", str(error.message), span) from None


def _constant(form: Value) -> Value:
    """Return an empty collection without its span."""
    if isinstance(form, Vector):
        return vector(())
    return hash_map(()) if isinstance(form, Map) else set_of(())


def _collection(context: Context, ask: Ask) -> Walk:
    """Analyse a vector, map or set: one constant if all parts are, else an instruction."""
    form, nodes = ask.form, []
    for item in children(form, ask.span):
        nodes.append((yield ask.value(item)))
    meta = without_spans(meta_of(form))
    described: Node = Constant(ask.span, meta)
    if _is_computed(meta) and context.environment.var(f"{CORE}/with-meta") is not None:
        described = yield ask.value(Syntax(meta, ask.span))
    constants = [node.value for node in nodes if isinstance(node, Constant)]
    if len(constants) == len(nodes) and isinstance(described, Constant):
        return Constant(ask.span, _made(form, constants, described.value, ask.span))
    op, count = _instruction(form, len(nodes))
    node: Node = Operation(ask.span, op, tuple(nodes), count)
    if meta is not None and len(meta) and context.environment.var(f"{CORE}/with-meta") is not None:
        node = NativeCall(ask.span, f"{CORE}/with-meta", (node, described))
    return node


def _is_computed(meta: Value) -> bool:
    """Say whether metadata of a literal may be more than data: anything but a tag is evaluated."""
    return isinstance(meta, Map) and any(key is not _TAG for key, _ in meta.items())


def _made(form: Value, values: list[Value], meta: Value, span: Span) -> Value:
    if isinstance(form, Vector):
        return vector(values, meta)
    if isinstance(form, Set):
        return set_of(values, meta)  # forms that differ and mean one constant are no loss
    made = hash_map(zip(values[::2], values[1::2], strict=True), meta)
    if 2 * len(made) != len(values):
        wrong = key_twice(values[::2]).error
        raise CompileError(str(wrong.code), str(wrong.message), span)
    return made


def _instruction(form: Value, count: int) -> tuple[Op, int]:
    if isinstance(form, Vector):
        return Op.VECTOR, count
    return (Op.SET, count) if isinstance(form, Set) else (Op.MAP, count // 2)
