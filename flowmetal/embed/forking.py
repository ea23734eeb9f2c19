"""A fork as its maker sees it."""

from __future__ import annotations

from typing import Any

from flowmetal.runtime.forking import Fork


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
            effects = ", ".join(f"{number} ({kind})" for number, kind in self.held)
            said.append(
                f"it holds what was in flight, effect {effects}: `fmvm resume {self.id} --perform` performs"
                f" that, `--result EFFECT=JSON` says what it came to"
            )
        if self.inherited:
            said.append(f"not its own, and an error if it is used: {', '.join(self.inherited)}")
        return said

    def as_json(self) -> dict[str, Any]:
        held = [{"effect": number, "kind": kind} for number, kind in self.held]
        return {"id": self.id, "held": held, "inherited": list(self.inherited)}
