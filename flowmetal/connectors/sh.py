"""Commands of the operating system. The grant names programs; arguments never pass a shell.

``sh/run``:   {:argv ["git" "status"] :dir :env :in :timeout :as :string|:lines|:json|:bytes :check?}
``sh/shell``: {:command "a | b" ...}: /bin/sh -c; needs the grant of ``sh`` itself.
Result: {:exit :out :err :elapsed}; an exit that is not 0 is {:type :sh/failed}, unless
``:check? false``.

A program is found in the interpreter's PATH, never in one from the program, and gets
only the harmless variables of the interpreter's environment, those that are granted to the run
(secrets are not), and ``:env``. It runs in a process group of its own, which is ended as a whole
when the effect is cancelled or times out (processes.py), and when the interpreter dies (guardian.py). A failed command is not tried again
unless ``:retry`` asks for it: what it did is not known.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Mapping
from functools import partial
from typing import Final

from flowmetal.connectors.arguments import choice, flag, items, pairs, refuse, text, why_no_json
from flowmetal.connectors.blocking import Blocking
from flowmetal.connectors.guardian import Guardian
from flowmetal.connectors.parsing import beside, parse_json
from flowmetal.connectors.processes import Process, TooMuch, begin
from flowmetal.connectors.secrets import hide, hiding_secrets, reveal
from flowmetal.effects.errors import effect_error, refused
from flowmetal.effects.requests import Call, EffectFailed
from flowmetal.effects.secrets import secret_in
from flowmetal.values import Duration, ErrorValue, Value, Vector, hash_map, keyword, vector

LONGEST_OUTPUT: Final = 16 * 1024 * 1024
"""Bytes of :out and of :err: what comes back is kept in the run's history."""

_PASSES: Final = (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What kept a command from beginning, and may not the next time: this machine had too little of something."""

_HARMLESS: Final = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "TERM")
_ARGV = keyword("argv")
_RESULT = tuple(keyword(name) for name in ("exit", "out", "err", "elapsed"))


class ShConnector:
    """Runs commands."""

    kinds = frozenset({"sh/run", "sh/shell"})

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._guardian = Guardian()
        self._blocking = Blocking()

    @hiding_secrets
    async def perform(self, call: Call) -> Value:
        """Run a command to its end."""
        argv = self._argv(call)
        form = choice(call, "as", ("string", "lines", "json", "bytes"), "string")
        given = _input(call, self._environment)
        started = time.monotonic_ns()
        self._guardian.begin()
        process = await self._start(call, argv)
        self._guardian.watch(process.group)
        try:
            out, err = map(hide, await process.communicate(given, LONGEST_OUTPUT))
        except BaseException as problem:
            await process.end()
            if isinstance(problem, TooMuch):
                raise EffectFailed(_too_much(call)) from None
            raise
        finally:
            self._guardian.forget(process.group)
        elapsed = Duration((time.monotonic_ns() - started) // 1000)
        code = process.exit
        if code != 0 and flag(call, "check?", True):
            raise EffectFailed(_failed(argv, code, out, err))
        read = partial(_as, call, form, out)
        said = await beside(self._blocking, len(out), read)
        return hash_map(zip(_RESULT, (code, said, _text(err), elapsed), strict=True))

    async def close(self) -> None:
        """Let go of the process that sees to commands if we die."""
        self._blocking.close()
        self._guardian.close()

    def _argv(self, call: Call) -> list[str]:
        if call.kind == "sh/shell":
            _check_grant(call, "sh")
            return ["/bin/sh", "-c", text(call, "command")]
        words = [reveal(word, self._environment) for word in items(call.args.get(_ARGV))]
        if not words or not all(isinstance(word, str) for word in words):
            raise refuse(call, ":argv takes a vector of strings, the program first")
        if any("\0" in word for word in words):
            raise refuse(call, "an argument holds a zero byte")
        return [self._program(call, words[0]), *words[1:]]

    def _program(self, call: Call, name: str) -> str:
        if "/" in name:
            # Absolute before it is judged: what the same words name depends on the folder.
            given = os.path.join(text(call, "dir", ""), name)
            try:
                name = os.path.abspath(given)
            except FileNotFoundError:
                message = f"there is no program {given}: the interpreter's working folder is gone"
                raise EffectFailed(
                    effect_error("FM0710", "sh/not-found", message, {"program": given})
                ) from None
            _check_grant(call, name)
            return name
        _check_grant(call, name)
        path = self._environment.get("PATH", os.defpath)
        absolute = os.pathsep.join(part for part in path.split(os.pathsep) if os.path.isabs(part))
        found = shutil.which(name, path=absolute)
        if found is None:
            raise EffectFailed(
                effect_error(
                    "FM0710", "sh/not-found", f"there is no program {name}", {"program": name}
                )
            )
        return found

    async def _start(self, call: Call, argv: list[str]) -> Process:
        folder = text(call, "dir", "") or None
        try:
            return await begin(argv, folder, self._variables(call))
        except ValueError as problem:  # a zero byte, half a character
            raise refuse(call, f"this command cannot be written: {problem}") from None
        except OSError as problem:
            of_folder = folder is not None and problem.filename == folder
            is_missing = isinstance(problem, FileNotFoundError)
            if is_missing and (of_folder or not os.path.exists(argv[0])):
                message = f"there is no {f'folder {folder}' if of_folder else f'program {argv[0]}'}"
                raise EffectFailed(
                    effect_error("FM0710", "sh/not-found", message, {"program": argv[0]})
                ) from None
            where = f" in {folder}" if of_folder else ""
            # The system says of a script what is so of the program that its first line names.
            why = "the program that its first line names is not there" if is_missing else None
            message = f"{argv[0]} cannot be run{where}: {why or problem.strerror}"
            raise EffectFailed(
                effect_error(
                    "FM0710",
                    "sh/not-run",
                    message,
                    {"program": argv[0]},
                    retryable=problem.errno in _PASSES,
                )
            ) from None

    def _variables(self, call: Call) -> dict[str, str]:
        variables = {
            name: value
            for name, value in self._environment.items()
            if name in _HARMLESS or name.startswith("LC_") or _is_granted(call, name)
        }
        for name, value in pairs(call, "env"):
            shown = reveal(value, self._environment)
            if not isinstance(shown, str) or "\0" in shown or not name or "=" in name:
                raise refuse(call, f":env has a value for {name} that is not a string")
            if name.startswith(("LD_", "DYLD_")) and not call.grants.allows("sh", "sh"):
                raise refuse(call, f":env sets {name}, which makes any program another one")
            variables[name] = shown
        return variables


def _is_granted(call: Call, variable: str) -> bool:
    """Say whether a variable is granted. A secret gets to a command by ``:env``, which hides it in the output."""
    return secret_in(variable) is None and call.grants.allows("env", variable)


def _check_grant(call: Call, program: str) -> None:
    if not call.grants.allows("sh", program):
        what = "a shell command" if call.kind == "sh/shell" else f"running {program}"
        raise EffectFailed(
            refused("sh", program, f"--allow-sh={program}", f"{what} is not granted")
        )


def _input(call: Call, environment: Mapping[str, str]) -> bytes | None:
    given = reveal(call.args.get(keyword("in")), environment)
    if given is None or isinstance(given, bytes):
        return given
    if isinstance(given, str):
        try:
            return given.encode()
        except UnicodeEncodeError as problem:
            raise refuse(call, f":in cannot be written: {problem}") from None
    raise refuse(call, ":in takes a string or bytes")


def _too_much(call: Call) -> ErrorValue:
    message = f"{_command(call)} wrote more than {LONGEST_OUTPUT >> 20} MiB"
    return effect_error("FM0711", "sh/too-much-output", message, {"kind": call.kind})


def _command(call: Call) -> str:
    argv = call.args.get(_ARGV)
    return f"the command {argv[0]}" if isinstance(argv, Vector) and argv else "the command"


def _as(call: Call, form: str, out: bytes) -> Value:
    match form:
        case "bytes":
            return out
        case "lines":
            return vector(_lines(_text(out)))
        case "json":
            try:
                return parse_json(out)
            except Exception as problem:  # whatever the reader of JSON dislikes
                message = f"{_command(call)} did not write JSON: {why_no_json(problem)}"
                raise EffectFailed(
                    effect_error("FM0712", "sh/bad-output", message, {"out": _text(out[:1000])})
                ) from None
        case _:
            return _text(out)


def _lines(text: str) -> list[str]:
    """Return lines as commands write them: no other character than a line feed ends one, as some do in Python."""
    *lines, last = re.split("\r?\n", text)
    return [*lines, last] if last else lines


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _failed(argv: list[str], code: int, out: bytes, err: bytes) -> Value:
    what = f"was ended by signal {-code}" if code < 0 else f"ended with exit status {code}"
    last = _text(err).strip().splitlines()[-1:]
    said = f": {last[0][:200]}" if last else ""
    return effect_error(
        "FM0713",
        "sh/failed",
        f"{os.path.basename(argv[0])} {what}{said}",
        {"exit": code, "out": _text(out), "err": _text(err), "program": argv[0]},
        retryable=None,  # what it did nobody knows, so the program has to ask for that
    )
