"""Reader conditionals: which branch of ``#?(:flow a :default b)`` counts.

Branches are chosen among nodes, before anything in them becomes a value. The
first feature in the text that this reader has counts, or ``:default``.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowmetal.reader.nodes import Kind, Node
from flowmetal.reader.problems import Problems


def chosen_branch(node: Node, features: frozenset[str], problems: Problems) -> Sequence[Node]:
    """Return the form that the conditional ``node`` stands for, if it stands for one."""
    branches = node.children[0]
    if branches.kind is not Kind.LIST:
        _expected_branches(node, branches, problems)
        return ()
    chosen: tuple[Node, ...] = ()
    for at in range(0, len(branches.children), 2):
        feature = branches.children[at]
        if feature.kind is not Kind.KEYWORD:
            message = "a branch of a reader conditional begins with a feature"
            label = f"a keyword is expected, this is {feature.kind.value}"
            problems.at(feature, "FM0043", message, label=label)
            return ()
        if at + 1 == len(branches.children):
            problems.at(feature, "FM0043", f"no form follows the feature {feature.text}")
            return ()
        name = feature.text[1:]
        if not chosen and (name in features or name == "default"):
            chosen = (branches.children[at + 1],)
    return chosen


def spliced_forms(node: Node, features: frozenset[str], problems: Problems) -> Sequence[Node]:
    """Return the forms that the splicing conditional ``node`` puts into what is around it."""
    chosen = chosen_branch(node, features, problems)
    while chosen and chosen[0].kind is Kind.CONDITIONAL:
        chosen = chosen_branch(chosen[0], features, problems)
    if not chosen:
        return ()
    if chosen[0].kind not in (Kind.LIST, Kind.VECTOR):
        label = f"this is {chosen[0].kind.value}"
        problems.at(chosen[0], "FM0044", "`#?@` can splice a list or a vector only", label=label)
        return ()
    return chosen[0].children


def _expected_branches(node: Node, found: Node, problems: Problems) -> None:
    if found.kind is Kind.MISSING:
        problems.missing_operand(node)
        return
    message = f"`{node.text}` needs a list of features and forms"
    help = (f"write {node.text}(:flow form :default form)",)
    problems.at(found, "FM0043", message, label=f"this is {found.kind.value}", help=help)
