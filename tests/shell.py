"""A shell for tests: runs fmc and fmvm in this process, in a folder and with a store of their own."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowmetal.cli.fmc import group as fmc
from flowmetal.cli.fmvm import group as fmvm
from flowmetal.cli.guard import status_of


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


class Shell:
    """``shell("fmvm", "run", ...)`` runs a command and returns its outcome."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def __call__(self, program: str, *words: object, stdin: bytes = b"") -> Outcome:
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            group = {"fmc": fmc, "fmvm": fmvm}[program]
            status = status_of(group, [str(word) for word in words])
        shown = Outcome(status, _text(out), _text(err))
        assert "Traceback" not in shown.out + shown.err
        assert "internal error" not in shown.err, shown.err
        return shown


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
