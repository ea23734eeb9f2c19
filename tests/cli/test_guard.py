from __future__ import annotations

from pathlib import Path

import click
import pytest

from flowmetal.cli.guard import INTERRUPTED, status_of
from flowmetal.errors import CompileError, Conflict, RefusedError, StoreError


def group_that_raises(error: BaseException) -> click.Group:
    @click.command("go")
    def go() -> None:
        raise error

    return click.Group("test", commands={"go": go})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CompileError("FM0114", "let needs a value for every name"), 1),
        (StoreError("FM1007", "the disk is full"), 2),
        (Conflict("FM1014", "somebody else drives it"), 3),
        (RefusedError("FM1107", "somebody else drives it"), 3),
        (KeyboardInterrupt(), INTERRUPTED),
    ],
)
def test_every_way_out_has_its_status(error: BaseException, status: int) -> None:
    assert status_of(group_that_raises(error), ["go"]) == status


def test_our_mistake_is_an_id_and_a_file_and_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    status = status_of(group_that_raises(AssertionError("the stack is upside down")), ["go"])
    shown = capsys.readouterr().err
    assert status == 70
    assert shown.startswith("internal error, please report: flowmetal-error-")
    assert "Traceback" not in shown
    (file,) = tmp_path.iterdir()
    assert str(file) in shown
    assert "the stack is upside down" in file.read_text()
