"""Files: judged by where a path really leads, written whole."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flowmetal.connectors.files import FilesConnector
from flowmetal.connectors.paths import locate, open_folder
from flowmetal.effects.requests import EffectFailed
from flowmetal.runtime.grants import RunGrants, parse_grants
from flowmetal.values import Value, keyword, vector
from tests.connectors.calls import ALL, call, failure, perform


def do(kind: str, grants: RunGrants = ALL, **args: Any) -> Value:
    return perform(FilesConnector(), call(f"fs/{kind}", grants, **args))


def fails(kind: str, grants: RunGrants = ALL, **args: Any) -> Value:
    return failure(FilesConnector(), call(f"fs/{kind}", grants, **args))


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "outside").write_text("secret")
    return folder


@pytest.fixture
def grants(inside: Path) -> RunGrants:
    return parse_grants(fs=[f"read:{inside}", f"write:{inside}"])


def test_what_is_written_is_read(inside: Path, grants: RunGrants) -> None:
    do("write", grants, path=f"{inside}/a", content="ü\n")
    assert do("read", grants, path=f"{inside}/a") == "ü\n"
    assert do("read", grants, path=f"{inside}/a", **{"as": keyword("bytes")}) == "ü\n".encode()
    assert os.listdir(inside) == ["a"]


def test_a_write_keeps_the_mode_of_the_file(inside: Path) -> None:
    (inside / "a").write_text("old")
    (inside / "a").chmod(0o600)
    do("write", path=f"{inside}/a", content=b"new")
    assert (inside / "a").stat().st_mode & 0o777 == 0o600
    assert (inside / "a").read_text() == "new"


def test_append_appends(inside: Path) -> None:
    for word in ("a", "b"):
        do("write", path=f"{inside}/a", content=word, append=True)
    assert (inside / "a").read_text() == "ab"


@pytest.mark.parametrize("path", ["../outside", "x/../../outside", "link", "folder-link/outside"])
def test_no_way_leads_out_of_what_is_granted(inside: Path, grants: RunGrants, path: str) -> None:
    (inside / "link").symlink_to("../outside")
    (inside / "folder-link").symlink_to("..")
    for kind, args in (("read", {}), ("write", {"content": "x"}), ("exists", {})):
        error = fails(kind, grants, path=f"{inside}/{path}", **args)
        assert error.type is keyword("effect/refused"), kind
        assert "--allow-fs=" in (error.message or "")
    assert (inside.parent / "outside").read_text() == "secret"


def test_a_link_put_in_place_after_the_judgement_is_not_followed(
    inside: Path, grants: RunGrants
) -> None:
    (inside / "sub").mkdir()
    place = locate(call("fs/read", grants), "read", f"{inside}/sub/outside")
    (inside / "sub").rmdir()
    (inside / "sub").symlink_to(inside.parent)
    with pytest.raises(OSError), place.folder():
        pass
    with pytest.raises(OSError), open_folder(str(inside), str(inside / "sub")):
        pass


@pytest.mark.parametrize("kind", ["list", "mkdir"])
def test_no_folder_is_listed_or_made_behind_a_link_that_was_put_in_place_after_the_judgement(
    monkeypatch: pytest.MonkeyPatch, inside: Path, grants: RunGrants, kind: str
) -> None:
    """These alone went by the path that was judged, wherever it led by then."""

    def and_then_a_link(*args: Any, **options: Any) -> Any:
        place = locate(*args, **options)
        (inside / "sub").rmdir()
        (inside / "sub").symlink_to(inside.parent)
        return place

    (inside / "sub").mkdir()
    monkeypatch.setattr("flowmetal.connectors.files.locate", and_then_a_link)
    path = f"{inside}/sub" if kind == "list" else f"{inside}/sub/made/deep"
    assert fails(kind, grants, path=path).type.text in ("fs/denied", "fs/not-a-folder")
    assert not (inside.parent / "made").exists()


@pytest.mark.parametrize("path", ["a", "my a", "a, b/c", "d/ e ", "~/a"])
def test_the_option_that_is_named_is_enough_in_whichever_folder_it_is_given(
    inside: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("HOME", str(inside))
    monkeypatch.chdir(inside)
    error = fails("write", RunGrants(), path=path, content="x")
    (told,) = shlex.split(error.message.rpartition("; add ")[2])
    assert told == error.data.get(keyword("flag"))
    monkeypatch.chdir("/")
    named = parse_grants(fs=[told.removeprefix("--allow-fs=")])
    monkeypatch.chdir(inside)
    (inside / "a, b").mkdir()
    (inside / "d").mkdir()
    do("write", named, path=path, content="x")


def test_a_folder_that_is_granted_is_made_with_those_around_it(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there" / "yet"
    grants = parse_grants(fs=[f"write:{path}"])
    for made in (path, path / "a" / "b", path):
        do("mkdir", grants, path=str(made))
        assert made.is_dir()
    (path / "file").touch()
    assert fails("mkdir", grants, path=f"{path}/file").type.text == "fs/exists"
    assert fails("mkdir", grants, path=f"{path}/file/a").type.text == "fs/not-a-folder"


def test_a_link_inside_is_followed(inside: Path, grants: RunGrants) -> None:
    (inside / "real").write_text("x")
    (inside / "link").symlink_to("real")
    assert do("read", grants, path=f"{inside}/link") == "x"
    do("write", grants, path=f"{inside}/link", content="y")
    assert (inside / "link").is_symlink()
    assert (inside / "real").read_text() == "y"


def test_reading_is_not_writing(inside: Path) -> None:
    grants = parse_grants(fs=[f"read:{inside}"])
    assert fails("write", grants, path=f"{inside}/a", content="x").type is keyword("effect/refused")
    (inside / "a").write_text("x")
    assert fails("delete", grants, path=f"{inside}/a").type is keyword("effect/refused")
    assert fails("move", grants, **{"from": f"{inside}/a", "to": f"{inside}/b"}).type is keyword(
        "effect/refused"
    )


def test_a_grant_of_one_file_is_a_grant_of_that_file(inside: Path) -> None:
    (inside / "a").write_text("x")
    (inside / "ab").write_text("y")
    grants = parse_grants(fs=[f"read:{inside}/a", f"write:{inside}/a"])
    assert do("read", grants, path=f"{inside}/a") == "x"
    do("write", grants, path=f"{inside}/a", content="z")
    assert fails("read", grants, path=f"{inside}/ab").type is keyword("effect/refused")


def test_listing_and_globbing_are_sorted_and_stay_inside(inside: Path, grants: RunGrants) -> None:
    for name in ("b.txt", "a.txt", "c.md"):
        (inside / name).write_text("")
    (inside / "out.txt").symlink_to("../outside")
    assert do("list", grants, path=str(inside)) == vector(["a.txt", "b.txt", "c.md", "out.txt"])
    found = do("glob", grants, path=str(inside), pattern="*.txt")
    assert found == vector([f"{inside}/a.txt", f"{inside}/b.txt"])
    for pattern in ("../*", "/etc/*"):
        assert fails("glob", grants, path=str(inside), pattern=pattern).type is keyword(
            "effect/bad-argument"
        )


def test_folders_copies_moves_and_deletes(inside: Path, grants: RunGrants) -> None:
    do("mkdir", grants, path=f"{inside}/x/y")
    do("mkdir", grants, path=f"{inside}/x/y")
    do("write", grants, path=f"{inside}/x/y/a", content="1")
    do("copy", grants, **{"from": f"{inside}/x/y/a", "to": f"{inside}/b"})
    do("move", grants, **{"from": f"{inside}/b", "to": f"{inside}/c"})
    assert do("exists", grants, path=f"{inside}/b") is False
    assert do("exists", grants, path=f"{inside}/c") is True
    assert fails("delete", grants, path=f"{inside}/x").type is keyword("fs/not-empty")
    do("delete", grants, path=f"{inside}/x", recursive=True)
    do("delete", grants, path=f"{inside}/x")
    assert os.listdir(inside) == ["c"]


def test_deleting_a_link_leaves_what_it_leads_to(inside: Path, grants: RunGrants) -> None:
    (inside / "link").symlink_to(inside.parent)
    do("delete", grants, path=f"{inside}/link", recursive=True)
    assert (inside.parent / "outside").exists()
    assert not (inside / "link").is_symlink()


def test_deleting_what_is_not_there_is_no_error_nor_where_its_folder_is_not(inside: Path) -> None:
    for path in ("nothing", "no/such/file"):
        assert do("delete", path=f"{inside}/{path}") is None


def test_a_move_that_was_done_before_a_crash_is_done(inside: Path) -> None:
    (inside / "to").write_text("x")
    args = {"from": f"{inside}/from", "to": f"{inside}/to"}
    assert fails("move", **args).type is keyword("fs/not-found")
    assert perform(FilesConnector(), call("fs/move", again=True, **args)) is None


def test_the_same_effect_gets_the_same_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    first = do("temp-dir", key="r/0/1", prefix="x-")
    assert do("temp-dir", key="r/0/1", prefix="x-") == first
    assert do("temp-dir", key="r/0/2", prefix="x-") != first
    assert Path(first).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("kind", "args", "type_text"),
    [
        ("read", {"path": "/no/such"}, "fs/not-found"),
        ("read", {"path": "/"}, "fs/is-a-folder"),
        ("read", {"path": "/dev/null"}, "fs/not-a-file"),
        ("read", {"path": ""}, "fs/bad-path"),
        ("read", {"path": "a\0b"}, "fs/bad-path"),
        ("read", {"path": "half \ud800"}, "fs/bad-path"),
        ("move", {"from": "/tmp/x", "to": "half \ud800"}, "fs/bad-path"),
        ("temp-dir", {"prefix": "half \ud800"}, "fs/bad-path"),
        ("read", {"path": 5}, "effect/bad-argument"),
        ("write", {"path": "/tmp/x", "content": 5}, "effect/bad-argument"),
        ("write", {"path": "/no/such/file", "content": ""}, "fs/not-found"),
        ("delete", {"path": "/", "recursive": True}, "effect/bad-argument"),
        ("temp-dir", {"prefix": "../x"}, "effect/bad-argument"),
    ],
)
def test_what_goes_wrong_has_a_type(kind: str, args: dict[str, Any], type_text: str) -> None:
    error = fails(kind, **args)
    assert error.type is keyword(type_text)
    assert error.retryable is False


def test_a_file_that_is_no_text_says_how_to_read_it(inside: Path) -> None:
    (inside / "a").write_bytes(b"ok\xff")
    assert ":bytes" in (fails("read", path=f"{inside}/a").message or "")


KILLED = """
import os, signal
from pathlib import Path
from flowmetal.connectors.files import perform_file_effect
from tests.connectors.calls import call

os.WHERE = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
perform_file_effect(call("fs/write", path="a.txt", content="half"))
"""


def test_a_write_that_is_made_again_takes_away_what_a_killed_one_has_left(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    script = KILLED.replace("WHERE", "replace")  # all is written, and has no name of its own yet
    killed = subprocess.run([sys.executable, "-c", script], cwd=inside, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(os.listdir(inside)) == 1
    Path(inside, ".flowmetal.somebody").write_text("else's")
    perform(FilesConnector(), call("fs/write", path=f"{inside}/a.txt", content="whole", again=True))
    assert sorted(os.listdir(inside)) == [".flowmetal.somebody", "a.txt"]
    assert Path(inside, "a.txt").read_text() == "whole"


def test_a_write_that_is_killed_for_good_leaves_nothing(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    script = KILLED.replace("WHERE", "fsync")
    killed = subprocess.run([sys.executable, "-c", script], cwd=inside, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert os.listdir(inside) == []


def test_a_write_needs_no_file_without_a_name(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    for missing in ("link", "O_TMPFILE"):
        if missing == "link":
            monkeypatch.setattr(os, "link", none)
        else:
            monkeypatch.delattr(os, "O_TMPFILE")
        do("write", path=f"{inside}/{missing}", content="whole")
        assert (inside / missing).read_text() == "whole"
    assert sorted(os.listdir(inside)) == ["O_TMPFILE", "link"]


def test_a_failed_write_leaves_no_trace(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (inside / "a").write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EffectFailed) as failed:
        do("write", path=f"{inside}/a", content="new")
    assert failed.value.error.type is keyword("fs/full")
    assert os.listdir(inside) == ["a"]
    assert (inside / "a").read_text() == "old"


@pytest.mark.parametrize("append", [False, True])
def test_a_pipe_is_neither_replaced_nor_waited_for(inside: Path, append: bool) -> None:
    pipe = inside / "pipe"
    os.mkfifo(pipe)
    error = fails("write", path=f"{pipe}", content="x", append=append)
    assert error.type is keyword("fs/not-a-file")
    assert pipe.is_fifo()
    (inside / "a").write_text("x")
    assert fails("copy", **{"from": f"{inside}/a", "to": f"{pipe}"}).type is keyword(
        "fs/not-a-file"
    )
    assert pipe.is_fifo()


def test_a_file_may_have_the_longest_name_there_is(inside: Path, grants: RunGrants) -> None:
    name = "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 85  # 255 bytes
    do("write", grants, path=f"{inside}/{name}", content="x")
    assert os.listdir(inside) == [name]


def test_no_link_is_moved_to_where_a_grant_goes_through(tmp_path: Path, inside: Path) -> None:
    (inside / "sub").mkdir()
    (inside / "link").symlink_to(tmp_path)
    (inside / "holds").mkdir()
    (inside / "holds" / "sub").symlink_to(tmp_path)
    (inside / "file").write_text("x")
    words = [f"{mode}:{path}" for mode in ("read", "write") for path in (inside, inside / "a/sub")]
    both = parse_grants(fs=[*words, f"read:{inside}/sub", f"write:{inside}/sub"])
    do("delete", both, path=f"{inside}/sub")
    for name, to in (("link", "sub"), ("link", "a"), ("holds", "a")):
        error = fails("move", both, **{"from": f"{inside}/{name}", "to": f"{inside}/{to}"})
        assert error.type is keyword("fs/denied")
    assert fails("read", both, path=f"{inside}/sub/outside").type is keyword("fs/not-found")
    for name, to in (("link", "other"), ("file", "sub"), ("holds", "here")):
        do("move", both, **{"from": f"{inside}/{name}", "to": f"{inside}/{to}"})


def test_what_may_not_be_read_is_not_moved_to_where_it_may(tmp_path: Path, inside: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "letter").write_text("hush")
    some = parse_grants(fs=[f"write:{drop}", f"write:{inside}", f"read:{inside}"])
    error = fails("move", some, **{"from": f"{drop}/letter", "to": f"{inside}/letter"})
    assert error.type is keyword("effect/refused")
    do("move", some, **{"from": f"{drop}/letter", "to": f"{drop}/other"})
