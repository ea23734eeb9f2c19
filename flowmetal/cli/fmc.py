"""``fmc``: source and programs."""

from __future__ import annotations

from flowmetal.cli.lazy import LazyGroup

# fmt: off
VERBS = {
    "compile": ("flowmetal.cli.compile", "Compile a file and all that it requires into one .fmb file."),
    "check":   ("flowmetal.cli.check",   "Say all that is wrong with source files; write nothing."),
    "disasm":  ("flowmetal.cli.disasm",  "Show readable bytecode with source lines."),
    "inspect": ("flowmetal.cli.inspect", "Show what is in a .fmb file: hash, entry points, effects."),
    "fmt":     ("flowmetal.cli.fmt",     "Format source files in place."),
    "lint":    ("flowmetal.cli.lint",    "Point at what is allowed and still likely wrong."),
    "test":    ("flowmetal.cli.test",    "Run the tests of files and folders."),
    "new":     ("flowmetal.cli.new",     "Make a small project that runs and has tests."),
    "doc":     ("flowmetal.cli.doc",     "Show the documentation of a name."),
    "explain": ("flowmetal.cli.explain", "Explain an error code with a wrong and a right example."),
}
# fmt: on

ELSEWHERE = {"build": "compile", "format": "fmt"} | {
    verb: f"fmvm {verb}" for verb in ("run", "start", "repl", "deploy")
}

group = LazyGroup(
    "fmc",
    VERBS,
    "Compile and inspect Flowmetal programs.\n\n"
    "Example: fmc compile orders.flow && fmvm run orders.fmb",
    ELSEWHERE,
)


def main() -> None:
    """Run the command with the arguments of this process, and leave with its exit status."""
    from flowmetal.cli.guard import leave_with

    leave_with(group)
