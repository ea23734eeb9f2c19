"""``python -m tests.tangles.measure [PROGRAMS]``: how many of the first programs get to what is hard.

A generator drifts towards what is easy: a form that fails at once lets nothing inside of it happen.
"""

from __future__ import annotations

import sys
from collections import Counter

from flowmetal.effects import events
from tests.tangles.judging import SAGAS, lines
from tests.tangles.lives import Life


def reached(life: Life) -> set[str]:
    """Return what happened in a program, in words."""
    found = {f"event {event.kind}" for event in life.events if event.kind != events.OUTPUT}
    told = lines(life)
    kinds = {line.path[-1]: line.more[0] for line in told if line.what == "in"}
    well = {line.path[-1] for line in told if line.what == "ok"}
    cleaning: set[int] = set()
    for line in told:
        around = [kinds[form] for form in line.path[:-1]]
        within = "in a finally block: " if cleaning & {*line.path[:-1]} else ""
        match line.what:
            case "cleaning":
                cleaning.add(line.path[-1])
            case "in":
                found |= {f"form {line.more[0]}"} | ({within + line.more[0]} if within else set())
            case "out":
                kind, ends = kinds[line.path[-1]], line.path[-1] not in well
                if ends and within:
                    found.add(f"{within}{kind} fails or is cancelled")
                if ends and {"retry", "step"} & {*around} and SAGAS & {*around}:
                    found.add(f"in a retry and a saga: {kind} fails or is cancelled")
                cleaning.discard(line.path[-1])
            case "undoes" if within:
                found.add(f"{within}undone")
            case "told":
                found.add(f"told {line.more[0]}")
                found |= {"told, several at once"} if len(line.more[1]) > 1 else set()
            case _:
                pass
    return found


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    found = Counter(what for seed in range(count) for what in reached(Life(seed).straight()))
    for what, programs in sorted(found.items()):
        sys.stdout.write(f"{programs:6} {what}\n")


if __name__ == "__main__":
    main()
