"""Values for hypothesis, and a model of equality that shares nothing with ours."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from flowmetal.values import (
    EMPTY_LIST,
    EMPTY_MAP,
    Char,
    Cons,
    Duration,
    ErrorValue,
    IndexedSeq,
    Instant,
    Keyword,
    LazySeq,
    Map,
    MapEntry,
    Ratio,
    Regex,
    RunRef,
    Secret,
    Set,
    Symbol,
    TaggedLiteral,
    Value,
    VarRef,
    char,
    hash_map,
    keyword,
    list_of,
    ratio,
    set_of,
    symbol,
    vector,
)

names = st.sampled_from(["a", "b", "x1", "ns/a", "ns/b", "+", "déjà-vu", "a.b/c?"])
texts = st.one_of(st.sampled_from(["", "a", "b", "1"]), st.text(max_size=8))
integers = st.one_of(st.integers(-3, 3), st.integers(), st.integers(-(2**80), 2**80))
ratios = st.builds(ratio, st.integers(-9, 9), st.integers(2, 9))
decimals = st.one_of(
    st.sampled_from(
        [Decimal(1), Decimal("1.0"), Decimal("1.00"), Decimal("-0.5"), Decimal("1E+3")]
    ),
    st.decimals(allow_nan=False, allow_infinity=False).map(lambda d: d if d else abs(d)),
)
floats = st.one_of(st.sampled_from([0.0, -0.0, 1.0, 1.5]), st.floats(allow_nan=False))

scalars: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    integers,
    floats,
    texts,
    decimals,
    ratios,
    st.binary(max_size=4),
    names.map(keyword),
    names.map(symbol),
    st.characters(codec="utf-8").map(char),
    st.integers(-(2**65), 2**65).map(Instant),
    st.integers(-(2**40), 2**40).map(Duration),
    st.uuids(),
    st.builds(Regex, texts),
    st.builds(Secret, texts),
    st.builds(RunRef, texts),
    st.builds(VarRef, names),
)


def lazy_over(items: list[Value]) -> Value:
    """Return a realised lazy sequence of ``items``."""
    made: Value = None
    for item in reversed(items):
        made = Cons(item, LazySeq(None, made))
    return LazySeq(None, made)


def _collections(inner: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    items = st.lists(inner, max_size=5)
    pairs = st.lists(st.tuples(inner, inner), max_size=5)
    return st.one_of(
        items.map(vector),
        items.map(list_of),
        items.map(lazy_over),
        items.filter(bool).map(lambda found: IndexedSeq(tuple(found), 0)),
        st.builds(MapEntry, inner, inner),
        items.map(set_of),
        pairs.map(hash_map),
        st.builds(TaggedLiteral, names.map(symbol), inner),
        st.builds(
            ErrorValue,
            names.map(keyword),
            texts,
            pairs.map(hash_map),
            st.none(),
            st.just(()),
            st.one_of(st.none(), st.booleans()),
        ),
    )


data = st.recursive(scalars, _collections, max_leaves=12)


def model(value: Value) -> Value:
    """Return Python data that is equal exactly for values that should be equal."""
    if isinstance(value, Map):
        return ("map", frozenset((model(k), model(v)) for k, v in value.items()))
    if isinstance(value, Set):
        return ("set", frozenset(model(item) for item in value))
    if isinstance(value, TaggedLiteral):
        return ("tagged", model(value.tag), model(value.form))
    if isinstance(value, ErrorValue):
        return ("error", value.type.text, value.message, model(value.data), value.retryable)
    if isinstance(value, (Keyword, Symbol, Char)):
        return (type(value).__name__, value.text)
    if isinstance(value, Ratio):
        return ("ratio", value.numerator, value.denominator)
    if isinstance(value, (Instant, Duration)):
        return (type(value).__name__, value.us)
    if isinstance(value, Regex):
        return ("regex", value.pattern, value.flags)
    if isinstance(value, (Secret, VarRef)):
        return (type(value).__name__, value.name)
    if isinstance(value, RunRef):
        return ("run", value.id)
    if value is None or isinstance(value, (bool, int, float, str, bytes, Decimal)):
        return (type(value).__name__, value)
    if type(value).__name__ == "UUID":
        return ("uuid", value.int)
    return ("seq", tuple(model(item) for item in value))


def nested(depth: int, wrap: str = "vector") -> Value:
    """Return a collection inside a collection, ``depth`` times."""
    made: Value = EMPTY_LIST
    for _ in range(depth):
        if wrap == "vector":
            made = vector((made,))
        elif wrap == "list":
            made = list_of((made,))
        elif wrap == "map":
            made = EMPTY_MAP.assoc(1, made)
        elif wrap == "key":
            made = EMPTY_MAP.assoc(made, 1)
        elif wrap == "set":
            made = set_of((made,))
        elif wrap == "lazy":
            made = LazySeq(None, Cons(made, None))
        else:
            made = TaggedLiteral(symbol("t"), made)
    return made


WRAPS = ("vector", "list", "map", "key", "set", "lazy", "tagged")
