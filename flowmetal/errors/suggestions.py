"""Did you mean: which of the known names somebody probably meant.

Candidates come in the order in which they should be offered when they are
equally near: locals, names of this namespace, referred names, publics of
aliases. First come names of the same letters, with other case, hyphens or
marks; then those a few slips of the finger away, where a slip is a letter
added, left out, replaced or swapped with its neighbour. One slip in three
letters is near; anything further is not offered at all.
"""

from __future__ import annotations

from collections.abc import Iterable

_MAX_OFFERS = 3
_MARKS = str.maketrans("", "", "-_?!")

# fmt: off
FOREIGN_NAMES: dict[str, str] = {
    # what other languages call it       what it is here
    "None":                              "write nil",
    "null":                              "write nil",
    "undefined":                         "write nil",
    "True":                              "write true",
    "False":                             "write false",
    "elif":                              "use cond for more than two branches",
    "else":                              "write :else in cond, or a third form in if",
    "elsif":                             "use cond for more than two branches",
    "begin":                             "use do",
    "progn":                             "use do",
    "define":                            "use def for a value, defn for a function",
    "defun":                             "use defn",
    "function":                          "use fn, or defn to give it a name",
    "lambda":                            "use fn",
    "setq":                              "use let for a name, an atom and reset! for a state",
    "printn":                            "use println",
    "print-line":                        "use println",
    "printf":                            "use println with format",
    "console.log":                       "use println",
    "len":                               "use count",
    "length":                            "use count",
    "size":                              "use count",
    "car":                               "use first",
    "cdr":                               "use rest",
    "mapcar":                            "use map",
    "foreach":                           "use doseq",
    "import":                            "use require in ns",
    "slurp":                             "use slurp! of flow.fs",
    "spit":                              "use spit! of flow.fs",
    "future":                            "use spawn!",
    "promise":                           "use promise!",
    "deliver":                           "use deliver!",
    "pmap":                              "use pmap!",
    "Thread/sleep":                      "use sleep!: (sleep! (seconds 1))",
    "System/currentTimeMillis":          "use now!",
    "java.util.UUID/randomUUID":         "use uuid!",
    "with-open":                         "use slurp! and spit!: no open handle is ever a value",
    "agent":                             "use flow.async: there are no threads inside a run",
    "ref":                               "use an atom: there are no threads inside a run",
    "dosync":                            "use an atom: there are no threads inside a run",
    "locking":                           "use with-lock! of flow.lock",
}
# fmt: on


def nearest(name: str, candidates: Iterable[str]) -> list[str]:
    """Return at most three of ``candidates`` that are near ``name``, the nearest first."""
    limit = max(1, len(name) // 3)
    ranked: list[tuple[int, int, str]] = []
    for order, candidate in enumerate(dict.fromkeys(candidates)):
        distance = _rank(name, candidate, limit)
        if distance is not None and candidate != name:
            ranked.append((distance, order, candidate))
    return [candidate for _, _, candidate in sorted(ranked)[:_MAX_OFFERS]]


def did_you_mean(name: str, candidates: Iterable[str]) -> str | None:
    """Return the help line for an unknown ``name``, None if nothing is near."""
    if name in FOREIGN_NAMES:
        return FOREIGN_NAMES[name]
    offers = nearest(name, candidates)
    if not offers:
        return None
    mark = _mark_between(name, offers[0])
    if mark:
        return f"did you mean `{offers[0]}`, {mark}?"
    shown = [f"`{offer}`" for offer in offers]
    listed = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"
    return f"did you mean {listed}?"


def distance(first: str, second: str, limit: int) -> int:
    """Return the slips between two words, or ``limit + 1`` if there are more than ``limit``.

    This is the Damerau-Levenshtein distance in which no letter is moved twice.
    """
    if abs(len(first) - len(second)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        above, row = row, [i]
        for j, b in enumerate(second, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and b == first[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit and min(above) > limit:
            return limit + 1
        before = above
    return min(row[-1], limit + 1)


def _rank(name: str, candidate: str, limit: int) -> int | None:
    if _letters(name) == _letters(candidate):
        return 0
    slips = distance(name, candidate, limit)
    return slips if slips <= limit else None


def _letters(name: str) -> str:
    return name.translate(_MARKS).casefold() or name


def _mark_between(name: str, candidate: str) -> str:
    for mark in "!?":
        if candidate == name + mark:
            return f"with `{mark}`"
        if name == candidate + mark:
            return f"without `{mark}`"
    return ""
