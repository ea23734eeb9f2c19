"""``fmvm``: runs."""

from __future__ import annotations

from flowmetal.cli.lazy import LazyGroup

# fmt: off
VERBS = {
    "run":         ("flowmetal.cli.run",         "Start a run and drive it here until it ends."),
    "start":       ("flowmetal.cli.start",       "Start a run and leave it to the store's interpreters."),
    "resume":      ("flowmetal.cli.resume",      "Drive a run here until it ends."),
    "wait":        ("flowmetal.cli.wait",        "Wait for the end of a run without driving it."),
    "ps":          ("flowmetal.cli.ps",          "List runs and what each waits for."),
    "show":        ("flowmetal.cli.show",        "Show one run: state, result or error, fibers, waits."),
    "events":      ("flowmetal.cli.events",      "Show the history of a run."),
    "why":         ("flowmetal.cli.why",         "Say in one paragraph what a run is waiting for."),
    "signal":      ("flowmetal.cli.signal",      "Send a signal to a run."),
    "callback":    ("flowmetal.cli.callback",    "Complete a callback, let it fail, or keep it alive."),
    "cancel":      ("flowmetal.cli.cancel",      "Cancel a run; its `finally` blocks run."),
    "pause":       ("flowmetal.cli.pause",       "Keep a run from being driven."),
    "unpause":     ("flowmetal.cli.unpause",     "Let a paused run go on."),
    "deploy":      ("flowmetal.cli.deploy",      "Give a name to a program and its grants."),
    "programs":    ("flowmetal.cli.programs",    "List the deployed programs."),
    "undeploy":    ("flowmetal.cli.undeploy",    "Take a name away from a program."),
    "retry":       ("flowmetal.cli.retry",       "Let a failed run go on: the effect again, a value, a restart."),
    "eval":        ("flowmetal.cli.eval",        "Evaluate an expression in a copy of a run's machine."),
    "query":       ("flowmetal.cli.query",       "Ask a run what its program lets one ask."),
    "fork":        ("flowmetal.cli.fork",        "Make a new run from the state of one, now or after an event."),
    "upgrade":     ("flowmetal.cli.upgrade",     "Move runs to new code."),
    "verify":      ("flowmetal.cli.verify",      "Check the history of a run, and what its program makes of it."),
    "gc":          ("flowmetal.cli.gc",          "Apply the retention policy to the store."),
    "export":      ("flowmetal.cli.export",      "Move a run into one file: program, snapshot, history."),
    "import":      ("flowmetal.cli.import_",     "Take a run from a file into the store."),
    "repl":        ("flowmetal.cli.repl",        "Read forms, evaluate them and print their values."),
    "interpreter": ("flowmetal.cli.interpreter", "Claim and drive runs of the store until stopped."),
    "serve":       ("flowmetal.cli.serve",       "Interpreter, HTTP API and callbacks in one process."),
    "doctor":      ("flowmetal.cli.doctor",      "Check store, versions and permissions; say what to do."),
}
# fmt: on

ELSEWHERE = {
    "list": "ps",
    "ls": "ps",
    "log": "events",
    "logs": "events",
    "history": "events",
    "status": "show",
    "describe": "show",
    "inspect": "show",
    "send": "signal",
    "kill": "cancel",
    "stop": "cancel",
    "terminate": "cancel",
    "worker": "interpreter",
    "server": "serve",
} | {
    verb: f"fmc {verb}"
    for verb in ("compile", "check", "test", "new", "doc", "explain", "lint", "fmt")
}

group = LazyGroup(
    "fmvm",
    VERBS,
    "Start, drive and look after durable runs.\n\n"
    "The store is --store URL, else $FLOWMETAL_STORE, else a SQLite file in your state folder.\n\n"
    "Example: fmvm run orders.flow 10 --allow-http=api.example.com",
    ELSEWHERE,
)


def main() -> None:
    """Run the command with the arguments of this process, and leave with its exit status."""
    from flowmetal.cli.guard import leave_with

    leave_with(group)
