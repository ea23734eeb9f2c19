"""``fmc fmt`` from the outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

UGLY, PRETTY = "(defn f [x]\nx )", "(defn f [x]\n  x)\n"


def test_a_file_is_formatted_in_place(shell) -> None:
    file = shell.write("a.flow", UGLY)
    shown = shell("fmc", "fmt", file)
    assert (shown.status, shown.out) == (0, "")
    assert "formatted" in shown.err
    assert file.read_text() == PRETTY


def test_a_formatted_file_is_not_written_again(shell) -> None:
    file = shell.write("a.flow", PRETTY)
    before = file.stat()
    shown = shell("fmc", "fmt", file)
    assert (shown.status, shown.out, shown.err) == (0, "", "")
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_check_shows_what_would_change_and_changes_nothing(shell) -> None:
    ugly, pretty = shell.write("a.flow", UGLY), shell.write("b.flow", PRETTY)
    shown = shell("fmc", "fmt", "--check", ugly, pretty)
    assert shown.status == 1
    assert "-x )\n\\ no line end\n+  x)\n" in shown.out
    assert "a.flow" in shown.out
    assert "b.flow" not in shown.out
    assert "1 file of 2 would change" in shown.err
    assert ugly.read_text() == UGLY


def test_check_is_content_with_formatted_files(shell) -> None:
    shown = shell("fmc", "fmt", "--check", shell.write("a.flow", PRETTY))
    assert (shown.status, shown.out) == (0, "")


def test_a_folder_means_the_sources_below_it(shell) -> None:
    inside = shell.write("src/deep/a.flow", UGLY)
    portable = shell.write("src/b.cljc", UGLY)
    other = shell.write("src/c.txt", UGLY)
    hidden = shell.write("src/.git/d.flow", UGLY)
    assert shell("fmc", "fmt", shell.folder / "src").status == 0
    assert [p.read_text() for p in (inside, portable, other, hidden)] == [
        PRETTY,
        PRETTY,
        UGLY,
        UGLY,
    ]


def test_a_dash_is_standard_input_and_output(shell) -> None:
    shown = shell("fmc", "fmt", "-", stdin=UGLY.encode())
    assert (shown.status, shown.out, shown.err) == (0, PRETTY, "")


def test_control_characters_in_strings_pass_through(shell) -> None:
    shown = shell("fmc", "fmt", "-", stdin=b'"\x1b[1m\x00" \n')
    assert shown.out == '"\x1b[1m\x00"\n'


def test_a_file_that_does_not_read_is_left_alone_and_others_are_not(shell) -> None:
    broken, ugly = shell.write("a.flow", "(a [b)\n"), shell.write("b.flow", UGLY)
    shown = shell("fmc", "fmt", broken, ugly)
    assert shown.status == 1
    assert "error[FM0010]" in shown.err
    assert broken.read_text() == "(a [b)\n"
    assert ugly.read_text() == PRETTY


def test_an_error_is_shown_as_check_shows_it(shell) -> None:
    broken = shell.write("a.flow", "(defn f [x]\n")
    assert shell("fmc", "fmt", broken).err == shell("fmc", "check", broken).err


def test_a_missing_file_is_wrong_usage(shell) -> None:
    shown = shell("fmc", "fmt", shell.folder / "no.flow")
    assert shown.status == 2
    assert "FM1301" in shown.err


def test_bytes_that_are_no_text_are_left_alone(shell) -> None:
    file = shell.write("a.flow", b"(a)\xff")
    assert shell("fmc", "fmt", file).status == 2
    assert file.read_bytes() == b"(a)\xff"


def test_nothing_is_changed_if_a_file_cannot_be_read(shell) -> None:
    ugly = shell.write("a.flow", UGLY)
    shell.write("b.flow", b"(a)\xff")
    assert shell("fmc", "fmt", shell.folder).status == 2
    assert shell("fmc", "fmt", ugly, shell.folder / "no.flow").status == 2
    assert ugly.read_text() == UGLY


def test_line_ends_of_windows_stay(shell) -> None:
    file = shell.write("a.flow", b"(a\r\nb )\r\n")
    assert shell("fmc", "fmt", file).status == 0
    assert file.read_bytes() == b"(a\r\n b)\r\n"


def test_permissions_and_links_stay(shell) -> None:
    file = shell.write("real.flow", UGLY)
    file.chmod(0o750)
    link = shell.folder / "link.flow"
    link.symlink_to(file)
    assert shell("fmc", "fmt", link).status == 0
    assert link.is_symlink()
    assert file.read_text() == PRETTY
    assert file.stat().st_mode & 0o777 == 0o750


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_says_so(shell) -> None:
    file = shell.write("closed/a.flow", UGLY)
    file.parent.chmod(0o500)
    try:
        shown = shell("fmc", "fmt", file)
    finally:
        file.parent.chmod(0o700)
    assert shown.status == 2
    assert "FM1312" in shown.err
    assert sorted(Path(file.parent).iterdir()) == [file]


def test_macros_of_required_files_are_known(shell) -> None:
    shell.write("src/shop/util.flow", "(ns shop.util)\n\n(defmacro go [x & body])\n")
    text = "(ns shop.main\n  (:require [shop.util :as u]))\n\n(u/go 1\n  2)\n"
    file = shell.write("src/shop/main.flow", text)
    assert shell("fmc", "fmt", "--check", file).status == 0
