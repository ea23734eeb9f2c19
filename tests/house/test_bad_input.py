"""What goes wrong before a run: an error with a place and a remedy, exit 2 or 1, nothing changed."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sqlite import opened

HELLO = "(ns hello)\n\n(defn main [& words]\n  (vec words))\n"


def check_refused(shown, status: int, *words: str) -> None:
    """A user's mistake: the status, a coded error, a remedy; nothing on standard output."""
    assert shown.status == status, shown
    assert shown.err.startswith("error[FM"), shown.err
    assert shown.out == ""
    for word in words:
        assert word in shown.err, shown.err


def no_run_was_made(shell) -> bool:
    listed = shell("fmvm", "ps", "--json")
    return "FM1030" in listed.err or json.loads(listed.out) == []  # no store, or none in it


@pytest.fixture
def hello(shell) -> Path:
    shell.write("hello.flow", HELLO)
    made = shell("fmc", "compile", "hello.flow")
    assert made.status == 0, made.err
    return shell.folder / "hello.fmb"


# Files


@pytest.mark.parametrize("program", [("fmc", "check"), ("fmc", "compile"), ("fmc", "disasm"), ("fmc", "inspect"), ("fmvm", "run")])  # fmt: skip
def test_a_missing_file_is_named_with_the_nearest_one(shell, program) -> None:
    shell.write("orders.flow", HELLO)
    check_refused(shell(*program, "order.flow"), 2, "FM1301", "order.flow", "orders.flow")


def test_a_folder_is_no_program(shell) -> None:
    shell.write("src/main.flow", HELLO)
    check_refused(shell("fmvm", "run", "src"), 2, "FM1302", "help: ")


def test_a_source_that_is_not_utf8_is_refused_with_the_place(shell) -> None:
    shell.write("latin.flow", b'(ns latin)\n\n(defn main [] "caf\xe9")\n')
    for program in ("fmc check", "fmvm run"):
        shown = shell(*program.split(), "latin.flow")
        check_refused(shown, 2, "FM1304", "latin.flow:3:19", "help: ")


def test_an_output_that_cannot_be_written_leaves_what_was_there(shell) -> None:
    shell.write("hello.flow", HELLO)
    shell.write("taken/file.txt", "x")
    check_refused(shell("fmc", "compile", "hello.flow", "-o", "taken"), 2, "FM1312", "help: ")
    assert sorted(os.listdir(shell.folder / "taken")) == ["file.txt"]
    check_refused(shell("fmc", "compile", "hello.flow", "-o", "nowhere/x.fmb"), 2, "FM1312")


def test_a_file_that_cannot_be_read_is_refused(shell) -> None:
    check_refused(shell("fmvm", "run", "x" * 5000 + ".flow"), 2, "FM1303", "name too long")


# Programs


def test_every_flipped_byte_of_a_program_is_noticed(shell, hello: Path) -> None:
    from flowmetal.bytecode.file import read_program
    from flowmetal.errors import ProgramError

    data = hello.read_bytes()
    codes = set()
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << (place % 8)
        with pytest.raises(ProgramError) as caught:
            read_program(bytes(damaged))
        codes.add(caught.value.code)
    assert "FM0804" in codes


def test_every_truncation_of_a_program_is_noticed(shell, hello: Path) -> None:
    from flowmetal.bytecode.file import read_program
    from flowmetal.errors import ProgramError

    data = hello.read_bytes()
    for length in range(0, len(data), max(1, len(data) // 400)):
        with pytest.raises(ProgramError):
            read_program(data[:length])


@pytest.mark.parametrize("verb", [("fmvm", "run"), ("fmc", "inspect"), ("fmc", "disasm")])
def test_a_damaged_program_is_refused_and_nothing_runs(shell, hello: Path, verb) -> None:
    data = bytearray(hello.read_bytes())
    data[len(data) // 2] ^= 0x10
    hello.write_bytes(data)
    check_refused(shell(*verb, "hello.fmb"), 2, "FM08", "hello.fmb")
    assert no_run_was_made(shell)


def test_random_bytes_are_no_program(shell) -> None:
    shell.write("noise.fmb", random.Random(7).randbytes(5000))
    check_refused(shell("fmvm", "run", "noise.fmb"), 2, "FM08", "noise.fmb")


def test_an_empty_file_is_no_program(shell) -> None:
    shell.write("empty.fmb", b"")
    check_refused(shell("fmvm", "run", "empty.fmb"), 2, "FM08")


def test_a_program_without_main_is_refused_with_what_there_is(shell) -> None:
    shell.write("shop.flow", "(ns shop)\n\n(defn checkout [order] order)\n")
    check_refused(shell("fmvm", "run", "shop.flow"), 2, "FM1120", "help: ", "checkout [order]")
    assert no_run_was_made(shell)


def test_a_wrong_number_of_arguments_is_refused_with_the_right_one(shell) -> None:
    shell.write("shop.flow", "(ns shop)\n\n(defn main [order] order)\n")
    check_refused(shell("fmvm", "run", "shop.flow", "a", "b"), 2, "[order]")
    check_refused(shell("fmvm", "run", "shop.flow"), 2, "[order]")
    assert no_run_was_made(shell)


def test_compile_errors_are_exit_1_with_every_place(shell) -> None:
    shell.write(
        "wrong.flow", "(ns wrong)\n\n(defn a [x] (printn x))\n\n(defn main [] (let [y] y))\n"
    )
    for verb in (("fmc", "check"), ("fmc", "compile"), ("fmvm", "run")):
        check_refused(shell(*verb, "wrong.flow"), 1, "wrong.flow:3:14", "wrong.flow:5:", "println")
    assert not (shell.folder / "wrong.fmb").exists()
    assert no_run_was_made(shell)


# Words


@pytest.mark.parametrize("text", ["{id: 7}", "{", "", "NaN", "'x'", "[1,]"])
def test_input_that_is_not_json_is_refused(shell, hello, text: str) -> None:
    check_refused(shell("fmvm", "run", "hello.fmb", "--input", text), 2, "FM1305", "help: ")
    assert no_run_was_made(shell)


def test_input_from_a_file_that_is_not_json_names_the_file(shell, hello) -> None:
    shell.write("in.json", '{"a": 1,\n "b": }')
    shown = shell("fmvm", "run", "hello.fmb", "--input", "@in.json")
    check_refused(shown, 2, "FM1305", "in.json", "line 2")


def test_arguments_and_input_together_are_refused(shell, hello) -> None:
    check_refused(shell("fmvm", "run", "hello.fmb", "a", "--input", "1"), 2, "FM1307")


@pytest.mark.parametrize("verb", ["resume", "wait", "show", "events", "why", "cancel", "pause", "unpause", "export"])  # fmt: skip
def test_an_unknown_run_is_exit_2(shell, hello: Path, verb: str) -> None:
    assert shell("fmvm", "start", "hello.fmb").status == 0
    check_refused(shell("fmvm", verb, "nobody"), 2, "FM1101", "nobody", "fmvm ps")


def test_an_unknown_run_gets_no_signal(shell, hello: Path) -> None:
    assert shell("fmvm", "start", "hello.fmb").status == 0
    check_refused(shell("fmvm", "signal", "nobody", "go"), 2, "FM1101")


@pytest.mark.parametrize("grant", ["--allow-http=https://x.example/path", "--allow-fs=./data"])
def test_a_grant_that_is_none_is_refused_with_the_right_one(shell, hello, grant: str) -> None:
    check_refused(shell("fmvm", "run", "hello.fmb", grant), 2, "FM1310", "help: write --allow-")


def test_a_python_module_that_does_not_load_is_refused(shell, hello) -> None:
    shell.write("bad.py", "import nonexistent_module_of_nobody\n")
    check_refused(shell("fmvm", "run", "hello.fmb", "--python", "bad.py"), 2, "FM1313", "bad.py")
    assert no_run_was_made(shell)


# Stores


def test_a_store_that_is_no_store_is_refused_and_untouched(shell, hello) -> None:
    path = shell.write("notes.txt", "these are notes\n" * 100)
    before = path.read_bytes()
    check_refused(shell("fmvm", "run", "hello.fmb", "--store", "sqlite:notes.txt"), 2, "FM1001")
    assert path.read_bytes() == before


def test_another_applications_database_is_refused_and_untouched(shell, hello) -> None:

    with opened(shell.folder / "other.db") as other:
        other.execute("CREATE TABLE song (title TEXT)")
    other.close()
    before = (shell.folder / "other.db").read_bytes()
    check_refused(shell("fmvm", "run", "hello.fmb", "--store", "sqlite:other.db"), 2, "FM1002")
    assert (shell.folder / "other.db").read_bytes() == before


@pytest.mark.parametrize("url", ["runs.db", "mysql:x", "postgresql://x/y", "sqlite:nowhere/runs.db", "sqlite:."])  # fmt: skip
def test_an_address_that_names_no_store_is_refused(shell, hello, url: str) -> None:
    check_refused(shell("fmvm", "run", "hello.fmb", "--store", url), 2, "FM10", "help: ")


def as_nobody(
    words: list[str], cwd: Path, before: Callable[[], None]
) -> subprocess.CompletedProcess[str]:
    """Run ``fmvm`` in a process of its own, in which ``before`` has been called."""
    return subprocess.run(
        [sys.executable, "-m", "flowmetal.cli", "fmvm", *words],
        cwd=cwd, capture_output=True, text=True, check=False, preexec_fn=before,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip


def test_a_read_only_store_is_refused(shell, hello) -> None:
    assert shell("fmvm", "run", "hello.fmb", "--store", "sqlite:ro.db").status == 0
    if os.getuid() == 0:
        pytest.skip("permissions do not bind root")
    for path in shell.folder.glob("ro.db*"):
        path.chmod(0o444 if path.is_file() else 0o555)
    shell.folder.chmod(0o555)
    try:
        shown = shell("fmvm", "run", "hello.fmb", "--store", "sqlite:ro.db")
    finally:
        shell.folder.chmod(0o755)
    check_refused(shown, 2, "FM100", "help: ")


def test_a_full_disk_is_an_error_and_the_run_goes_on_when_there_is_room(shell) -> None:
    shell.write(
        "big.flow",
        '(ns big)\n\n(defn main []\n  (sleep! #dur "1ms")\n  (count (apply str (repeat 400000 "x"))))\n',
    )
    shell.write("grow.flow", GROW)
    assert shell("fmc", "compile", "grow.flow").status == 0
    shell("fmvm", "start", "big.flow", "--store", "sqlite:full.db")

    def little_room() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    words = ["run", "grow.fmb", "--id", "grow", "--store", "sqlite:full.db"]
    shown = as_nobody(words, shell.folder, little_room)
    assert shown.returncode == 2, shown
    assert "error[FM10" in shown.stderr
    assert "Traceback" not in shown.stderr
    after = shell("fmvm", "resume", "grow", "--store", "sqlite:full.db")
    assert (after.status, after.out) == (0, "60\n"), after


GROW = """(ns grow)

(defn main []
  (loop [n 0, kept []]
    (if (< n 60)
      (do (sleep! #dur "1ms")
          (recur (inc n) (conj kept (apply str (repeat 20000 (str n))))))
      (count kept))))
"""
