"""What to do about an error that a run or a test has ended in: the help below its message.

Errors of a program are values of the language and carry no help of their own, since programs compare and
keep them. How to read a row: code, the remedy for whoever looks after the run. A message that names its own
remedy has no row.
"""

from __future__ import annotations

# fmt: off
REMEDIES = {
    "FM0313": "perform the effect before, or go through the items at once: mapv, run!, doseq, reduce",
    "FM0652": "make it smaller; if it depends on nothing but its arguments, please report it",
    "FM0653": "give the wait a :timeout, or stub the function that waits",
    "FM0654": "record it: `fmc test --record` with what it may touch, such as --allow-http=HOST",
    "FM0655": "record it anew if the change is meant: `fmc test -k NAME --re-record`",
    "FM0656": "give the cassette another name, or remove the file and record it",
    "FM0704": "catch :timeout, or give a longer :timeout",
    "FM0705": "mend the function, then `fmvm retry RUN`; a program can catch :connector/failed",
    "FM0706": "find out whether it happened, then `fmvm retry RUN --value JSON` with what it came to",
    "FM0710": "name a program that is in the PATH of the interpreter, or its whole path",
    "FM0711": "let the command write into a file",
    "FM0712": "read it as it is: leave out :as :json",
    "FM0713": "let the program handle it: with :check? false every status is a result",
    "FM0714": "let the program handle it: with :throw? false every status is a response",
    "FM0715": "fetch it with a command, into a file",
    "FM0716": "read it as it is: leave out :as :json",
    "FM0717": "see that the server runs and that the interpreter's machine reaches it",
    "FM0720": "give a path that is not empty and has no zero byte in it",
    "FM0721": "paths that are not absolute begin in the folder that the interpreter runs in",
    "FM0723": "let a command or a function of the host work on the file",
    "FM0724": "write one map into it, such as {:config {:port 8080 :host #env \"HOST\"}}",
    "FM0725": "add it to flow.edn, or set the variable; (config path default) has a default",
    "FM0730": "see `fmvm show RUN` for the callbacks that a run waits for",
    "FM0731": "see `fmvm show RUN` for what became of the run; nothing was changed",
    "FM0733": "see `fmvm show RUN` for how it ended",
    "FM0734": "catch :callback/failed; whoever was to answer the callback let it fail",
    "FM0735": "catch :promise/broken; another run broke the promise with break-shared!",
    "FM0736": "catch :task/failed, or `fmvm retry RUN` when the worker is mended",
    "FM0737": "try again: after the move it answers at the new place",
    "FM0738": "catch :moved/left-behind, and take the lock or start the child anew",
    "FM0739": "let the fork ask for one of its own, in a handler for :fork/inherited",
    "FM0741": "see who was to fulfil what they wait for, or give a wait a :timeout",
    "FM0742": "catch :fiber/cancelled where the fiber is awaited",
    "FM0743": "await fibers in the run that spawned them; other runs have promises and signals",
    "FM0744": "see :failures in the data of the error for what each form ended in",
    "FM0745": "raise :tolerate, or collect the outcomes with :on-error :collect",
    "FM0746": "raise :max-attempts or :timeout, or catch :poll/exhausted",
    "FM0747": "put a keyword or a map instead",
    "FM0748": "begin and end scopes with the forms of flow.async alone",
    "FM0749": "give the REPL a function that performs it: `fmvm repl --python MODULE`",
    "FM1201": "start it with that option; `fmvm retry RUN` with it lets this run go on",
}
# fmt: on


def remedies_of(code: str | None) -> tuple[str, ...]:
    """Return the remedy for a code, if there is one."""
    found = None if code is None else REMEDIES.get(code)
    return () if found is None else (found,)
