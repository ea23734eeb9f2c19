"""Special forms that decide what runs: if do quote recur throw try case*."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from flowmetal.bytecode.code import HandlerKind
from flowmetal.compiler.classes import class_of_symbol, quoted
from flowmetal.compiler.context import Ask, Context, Place, SpecialForm, Walk, is_made_up
from flowmetal.compiler.environment import VarInfo
from flowmetal.compiler.foreigners import (
    CLASSES_OF_EVERYTHING,
    looks_like_a_class,
    without_package,
)
from flowmetal.compiler.forms import (
    Syntax,
    children,
    is_sequence,
    is_symbol,
    keyword_text,
    made_constant,
)
from flowmetal.compiler.nodes import (
    Attempts,
    Case,
    Catch,
    Constant,
    Do,
    If,
    Node,
    NoMatch,
    Recur,
    Throw,
    Try,
)
from flowmetal.errors import CompileError, Label
from flowmetal.source import Span
from flowmetal.values import Keyword, Symbol, Value, Vector, key_of, pr_str
from flowmetal.values.classes import CLASSES_BY_NAME


def analyse_if(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    if len(items) not in (3, 4):
        found = "only a test" if len(items) == 2 else f"{len(items) - 1} forms"
        hint = None
        if len(items) > 4:
            hint = "put several expressions of a branch into (do ...), several tests into `cond`"
        raise shape("if", "a test, an expression and perhaps another one", found, ask.span, hint)
    test = yield ask.value(items[1])
    then = yield ask.same(items[2])
    if len(items) == 3:
        return If(ask.span, test, then, Constant(ask.span, None))
    return If(ask.span, test, then, (yield ask.same(items[3])))


def analyse_do(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    return (yield from sequence(ask, items[1:], ask.place, ask.span))


def sequence(ask: Ask, items: list[Syntax], place: Place, span: Span) -> Generator[Ask, Node, Node]:
    """Analyse forms of which only the last one's value counts."""
    if not items:
        return Constant(span, None)
    statements: list[Node] = []
    for item in items[:-1]:
        statements.append((yield ask.inner(item, place.away())))
    result = yield ask.inner(items[-1], place)
    return Do(span, tuple(statements), result) if statements else result


def analyse_quote(context: Context, ask: Ask, items: list[Syntax]) -> Node:
    if len(items) != 2:
        raise shape("quote", "one form", f"{len(items) - 1}", ask.span)
    value = quoted(context.names, items[1])
    return Constant(ask.span, made_constant(value, ask.span) if ask.made else value)


def analyse_recur(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    place, count = ask.place, len(items) - 1
    target = place.target
    if place.in_try:
        raise CompileError(
            "FM0112",
            "`recur` cannot leave a `try`",
            ask.span,
            hint="put the `try` inside of a function, or the loop inside of the `try`",
        )
    if target is None:
        raise CompileError("FM0110", "`recur` stands in no loop and in no function", ask.span)
    if not place.tail:
        raise CompileError(
            "FM0110",
            f"`recur` is not the last thing its {target.what} does",
            ask.span,
            hint="something still has to be done with its value; call the function by its name",
        )
    if count != len(target.bindings):
        names = " ".join("_" if is_made_up(b.name) else b.name for b in target.bindings)
        raise CompileError(
            "FM0111",
            f"this {target.what} has {_values(len(target.bindings))}, `recur` gives {count}",
            ask.span,
            label=f"needs a value each for [{names}]",
        )
    arguments: list[Node] = []
    for item in items[1:]:
        arguments.append((yield ask.value(item)))
    return Recur(ask.span, target, tuple(arguments))


def _values(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"


def analyse_throw(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    if len(items) != 2:
        raise shape("throw", "one error", f"{len(items) - 1} forms", ask.span)
    return Throw(ask.span, (yield ask.value(items[1])))


# -- try ---------------------------------------------------------------------------------


def analyse_try(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    body, catches, cleanup = _clauses(items[1:])
    inside = Place(ask.place.target, tail=False, in_try=True)
    node = yield from sequence(ask, body, inside, ask.span)
    caught: list[Catch] = []
    for clause in catches:
        caught.append((yield from _catch(context, ask, clause, inside)))
    if cleanup is None:
        return Try(ask.span, node, tuple(caught), None) if caught else node
    final = yield from sequence(ask, children(*cleanup)[1:], inside, cleanup.span)
    return Try(ask.span, node, tuple(caught), final)


def _clauses(items: list[Syntax]) -> tuple[list[Syntax], list[Syntax], Syntax | None]:
    body: list[Syntax] = []
    catches: list[Syntax] = []
    cleanup: Syntax | None = None
    for item in items:
        head = _head(item)
        if cleanup is not None:
            raise CompileError("FM0120", "nothing may follow `finally`", item.span)
        if head in ("catch", "catch*"):
            catches.append(item)
        elif head == "finally":
            cleanup = item
        elif catches:
            raise CompileError(
                "FM0120",
                "only `catch` and `finally` may follow a `catch`",
                item.span,
                hint="move this before the first `catch`, or into one",
            )
        else:
            body.append(item)
    return body, catches, cleanup


def _head(item: Syntax) -> str | None:
    if not is_sequence(item.form):
        return None
    first = next(iter(item.form), None)
    return first.text if isinstance(first, Symbol) else None


def _catch(context: Context, ask: Ask, clause: Syntax, place: Place) -> Generator[Ask, Node, Catch]:
    items = children(*clause)
    kind = HandlerKind.PREDICATE
    if is_symbol(items[0].form, "catch*"):
        kind, items = _special_kind(clause, items), items[1:]
    if len(items) < 3 or not is_symbol(items[2].form) or items[2].form.ns is not None:
        raise CompileError(
            "FM0120",
            "`catch` needs what to catch and a name for the error",
            clause.span,
            hint="write (catch :some/type e ...) or (catch :default e ...)",
        )
    if kind is HandlerKind.PREDICATE:
        selector = yield from _selector(context, ask, items[1])
    else:
        selector = yield ask.value(items[1])
    binding = context.scope.bind(items[2].form.name, items[2].span)
    body = yield from sequence(ask, items[3:], place, clause.span)
    context.scope.release(binding)
    return Catch(clause.span, selector, binding, body, kind)


def _special_kind(clause: Syntax, items: list[Syntax]) -> HandlerKind:
    """Return the kind of ``(catch* :restart offers e ...)``, which with-restart expands to."""
    named = keyword_text(items[1].form) if len(items) > 1 else None
    if named not in _KINDS:
        raise shape("catch*", "a kind of handler", "this", clause.span)
    return _KINDS[named]


_KINDS = {"restart": HandlerKind.RESTART, "observer": HandlerKind.OBSERVER}


def _selector(
    context: Context, ask: Ask, item: Syntax
) -> Generator[Ask, Node, Keyword | Symbol | Node | None]:
    form = item.form
    if isinstance(form, Keyword):
        return None if form.text == "default" else form
    if isinstance(form, Symbol) and not _is_defined(context, form):
        plain = without_package(form.text)
        if plain in CLASSES_OF_EVERYTHING:
            return None
        cls = class_of_symbol(context.names, form)
        if cls is not None and "/" not in cls:
            return Symbol(None, cls)
        if looks_like_a_class(form.text):
            return Symbol(None, CLASSES_BY_NAME.get(plain, form.text))
    return (yield ask.value(item))


def _is_defined(context: Context, symbol: Symbol) -> bool:
    if symbol.ns is None and context.scope.find(symbol.name) is not None:
        return True
    return isinstance(context.names.find(symbol), VarInfo)


def misplaced_clause(context: Context, ask: Ask, items: list[Syntax]) -> Node:
    raise CompileError("FM0120", f"`{items[0].form.text}` stands outside of a `try`", ask.span)


# -- case* -------------------------------------------------------------------------------


def analyse_case(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    """Analyse ``(case* value default [[[constant ...] result] ...])``."""
    if len(items) != 4 or not isinstance(items[3].form, Vector):
        raise shape("case*", "a value, a default and a vector of rows", "this", ask.span)
    value = yield ask.value(items[1])
    default = yield ask.same(items[2])
    keys: list[tuple[Value, ...]] = []
    branches: list[Node] = []
    seen: dict[Value, Span] = {}
    for row in children(*items[3]):
        parts = children(*row) if isinstance(row.form, Vector) else []
        if len(parts) != 2 or not isinstance(parts[0].form, Vector):
            raise shape("case*", "rows of [[constant ...] result]", "this", row.span)
        constants, result = parts
        keys.append(tuple(_case_constants(context, constants, seen)))
        branches.append((yield ask.same(result)))
    return Case(ask.span, value, tuple(keys), tuple(branches), default)


def _case_constants(
    context: Context, constants: Syntax, seen: dict[Value, Span]
) -> Iterator[Value]:
    for constant in children(*constants):
        value = made_constant(quoted(context.names, constant), constant.span)
        key = key_of(value)
        if key in seen:
            raise CompileError(
                "FM0119",
                f"`case` has the constant {pr_str(constant.form, 60)} twice",
                constant.span,
                label="here again",
                labels=(Label(seen[key], "first here", primary=False),),
            )
        seen[key] = constant.span
        yield value


def analyse_attempts(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    """Analyse ``(match* attempt ...)``, which ``match`` expands to."""
    if len(items) < 2:
        raise shape("match*", "attempts", "none", ask.span)
    followed = ask.place._replace(attempt=True)
    attempts: list[Node] = []
    for item in items[1:-1]:
        attempts.append((yield ask.inner(item, followed)))
    attempts.append((yield ask.inner(items[-1], ask.place)))
    return Attempts(ask.span, tuple(attempts))


def analyse_no_match(context: Context, ask: Ask, items: list[Syntax]) -> Node:
    if not ask.place.attempt:
        raise CompileError("FM0101", "`no-match*` is not the last word of an attempt", ask.span)
    return NoMatch(ask.span)


def shape(name: str, wants: str, found: str, span: Span, hint: str | None = None) -> CompileError:
    """Return the error for a special form that is not written as it should be."""
    return CompileError("FM0101", f"`{name}` needs {wants}, not {found}", span, hint=hint)


CONTROL_FORMS: dict[str, SpecialForm] = {
    "if": analyse_if,
    "do": analyse_do,
    "quote": analyse_quote,
    "recur": analyse_recur,
    "throw": analyse_throw,
    "try": analyse_try,
    "catch": misplaced_clause,
    "catch*": misplaced_clause,
    "finally": misplaced_clause,
    "case*": analyse_case,
    "match*": analyse_attempts,
    "no-match*": analyse_no_match,
}
