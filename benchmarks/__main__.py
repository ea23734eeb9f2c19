"""Run every benchmark of this folder, one after the other: ``python -m benchmarks [NAME...]``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(names: list[str]) -> None:
    found = (path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    known = sorted(name for name in found if name != "servers")
    for name in names or known:
        if name not in known:
            sys.exit(f"there is no benchmark {name}: {', '.join(known)}")
        print(f"== {name}", flush=True)
        sys.argv = [name]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


main(sys.argv[1:])
