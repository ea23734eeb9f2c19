"""A fork as its maker sees it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowmetal.ids import shell_word
from flowmetal.runtime.forking import Fork


def holding(run: str, held: Iterable[tuple[int, str]]) -> str:
    """Say what a fork holds (effects, and their kinds), and what can be done about it."""
    effects = ", ".join(f"{number} ({kind})" for number, kind in held)
    return (
        f"it holds what was in flight, effect {effects}: `fmvm resume {shell_word(run)} --perform` performs"
        f" that, `--result EFFECT=JSON` says what it came to"
    )


class ForkView:
    """A fork: its ``id``, the effects that it holds (number and kind), and what is not its own."""

    def __init__(self, fork: Fork) -> None:
        self.id: str = fork.id
        self.held = tuple((int(request.number), request.kind) for request in fork.held)
        self.inherited = fork.inherited

    def notes(self) -> list[str]:
        """Return in words what its maker should know."""
        said = []
        if self.held:
            said.append(holding(self.id, self.held))
        if self.inherited:
            said.append(f"not its own, and an error if it is used: {', '.join(self.inherited)}")
        return said

    def as_json(self) -> dict[str, Any]:
        held = [{"effect": number, "kind": kind} for number, kind in self.held]
        return {"id": self.id, "held": held, "inherited": list(self.inherited)}
