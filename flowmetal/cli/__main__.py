"""``python -m flowmetal.cli fmc ...`` and ``... fmvm ...``, where the scripts are not on the path."""

from __future__ import annotations

import sys

from flowmetal.cli import entry


def _main() -> None:
    program = sys.argv[1] if len(sys.argv) > 1 else ""
    if program not in ("fmc", "fmvm"):
        sys.exit("usage: python -m flowmetal.cli fmc|fmvm VERB ...")
    del sys.argv[1]
    {"fmc": entry.fmc, "fmvm": entry.fmvm}[program]()


_main()
