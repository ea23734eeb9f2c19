"""``make fuzz``: targets under atheris, which looks for inputs that reach new code.

``python -m tests.fuzz [TARGET...]`` runs each for ``FUZZ_SECONDS`` (120). The inputs that were
found are kept in ``.fuzz/TARGET/`` and are where the next run goes on. An input that
breaks a claim is left in ``.fuzz/`` and makes the status 1.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(".fuzz")


def main(names: list[str]) -> int:
    """Run targets one after the other, each in a process of its own; return the exit status."""
    from tests.fuzz.targets import TARGETS

    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        sys.stderr.write(f"there is no target {unknown[0]}: {' '.join(TARGETS)}\n")
        return 2
    broken = []
    for name in names or TARGETS:
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
        settings = os.environ | {"FUZZ_TARGET": name}
        done = subprocess.run(
            [
                sys.executable, "-m", "tests.fuzz", "--one", str(FOLDER / name),
                f"-max_total_time={os.environ.get('FUZZ_SECONDS', '120')}",
                f"-artifact_prefix={FOLDER}/{name}-", "-timeout=60", "-print_final_stats=1",
            ],
            env=settings, check=False,
        )  # fmt: skip
        broken += [name] if done.returncode else []
    sys.stderr.write(f"broken: {' '.join(broken)}\n" if broken else "every claim holds\n")
    return int(bool(broken))


def fuzz(words: list[str]) -> None:
    """Fuzz one target until its time is up; does not return."""
    import atheris

    with atheris.instrument_imports(include=["flowmetal"]):
        from tests.fuzz.targets import TARGETS

        target = TARGETS[os.environ["FUZZ_TARGET"]]
    target(b"")  # what is loaded late, before the clock of the first input runs
    atheris.Setup([sys.argv[0], *words], target)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        fuzz(sys.argv[2:])
    sys.exit(main(sys.argv[1:]))
