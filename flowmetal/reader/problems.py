"""The complaints of one read, gathered while forms are built."""

from __future__ import annotations

from flowmetal.errors import Diagnostic, Label
from flowmetal.reader.literals import Unreadable, cut
from flowmetal.reader.nodes import Node
from flowmetal.reader.positions import Positions

MAX_PROBLEMS = 10


class Problems:
    """Complaints in the order they came up.

    ``listed`` are the first of ``found``; ``faults`` counts also the forms whose
    complaints were made elsewhere, so that a form can tell whether anything
    inside of it went wrong. ``lacks_only_more`` is true while more text could
    cure everything.
    """

    def __init__(self, positions: Positions) -> None:
        self.listed: list[Diagnostic] = []
        self.found = 0
        self.faults = 0
        self.lacks_only_more = True
        self._positions = positions

    def add(self, problem: Diagnostic) -> None:
        self.found += 1
        self.faults += 1
        if self.found <= MAX_PROBLEMS:
            self.listed.append(problem)
        self.lacks_only_more = False

    def at(
        self,
        node: Node,
        code: str,
        message: str,
        *,
        label: str = "",
        help: tuple[str, ...] = (),
        whole: bool = True,
    ) -> None:
        """Complain about ``node``, or if not ``whole`` about the token it begins with."""
        end = node.end if whole else node.start + len(node.text)
        span = self._positions.span(node.start, end)
        self.add(Diagnostic(code, message, (Label(span, label),), help=help))

    def unreadable(self, node: Node, fault: Unreadable) -> None:
        """Complain about the token of ``node``, or the part of it that ``fault`` names."""
        end = node.start + (len(node.text) if fault.end is None else fault.end)
        span = self._positions.span(node.start + fault.start, end)
        helps = () if fault.hint is None else (fault.hint,)
        labels = (Label(span, fault.label),)
        self.add(Diagnostic(fault.code, fault.message, labels, help=helps))

    def missing_operand(self, prefix: Node) -> None:
        """Complain that nothing stands after ``prefix``; more text cures that at the end."""
        at_end = prefix.children[-1].end == len(self._positions.text)
        lacks_only_more = self.lacks_only_more and at_end
        message = f"no form follows `{cut(prefix.text)}`"
        self.at(prefix, "FM0014", message, label="belongs to the form after it", whole=False)
        self.lacks_only_more = lacks_only_more
