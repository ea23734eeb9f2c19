"""Commands of the operating system."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from flowmetal.connectors.config import ConfigConnector
from flowmetal.connectors.sh import ShConnector
from flowmetal.runtime.grants import RunGrants, parse_grants
from flowmetal.values import Secret, Value, keyword, vector
from tests.connectors.calls import ALL, call, failure, perform


def run(*argv: str, grants: RunGrants = ALL, **args: Any) -> Value:
    return perform(ShConnector(), call("sh/run", grants, argv=vector(argv), **args))


def fails(*argv: str, grants: RunGrants = ALL, **args: Any) -> Value:
    return failure(ShConnector(), call("sh/run", grants, argv=vector(argv), **args))


def test_a_result_has_exit_output_and_time() -> None:
    result = run("printf", "a\\nb")
    assert result.get(keyword("exit")) == 0
    assert result.get(keyword("out")) == "a\nb"
    assert result.get(keyword("err")) == ""
    assert result.get(keyword("elapsed")).us > 0


def test_arguments_never_pass_through_a_shell() -> None:
    assert run("printf", "%s", "$HOME; `id` | cat").get(keyword("out")) == "$HOME; `id` | cat"


@pytest.mark.parametrize(
    ("form", "value"), [("lines", vector(["1", "2"])), ("bytes", b"1\n2\n"), ("string", "1\n2\n")]
)
def test_output_comes_as_asked(form: str, value: Value) -> None:
    assert run("printf", "1\\n2\\n", **{"as": keyword(form)}).get(keyword("out")) == value


def test_nothing_but_a_line_feed_ends_a_line() -> None:
    """A page break of a source file did, and seven other characters."""
    said = "one\\ftwo\\vthree\\r\\n\\n\\342\\200\\250\\302\\205four\\rfive"
    lines = run("printf", said, **{"as": keyword("lines")}).get(keyword("out"))
    assert list(lines) == ["one\ftwo\vthree", "", "\u2028\x85four\rfive"]
    assert list(run("true", **{"as": keyword("lines")}).get(keyword("out"))) == []


def test_json_output_is_parsed_or_refused() -> None:
    assert (
        run("echo", '{"a": 1}', **{"as": keyword("json")}).get(keyword("out")).get(keyword("a"))
        == 1
    )
    assert fails("echo", "no", **{"as": keyword("json")}).type is keyword("sh/bad-output")


def test_input_goes_in_even_if_nobody_reads_it() -> None:
    assert run("cat", **{"in": "hello"}).get(keyword("out")) == "hello"
    assert run("true", **{"in": "x" * 1_000_000}).get(keyword("exit")) == 0


def test_a_failing_command_throws_unless_it_is_not_checked() -> None:
    error = fails("sh", "-c", "echo out; echo why >&2; exit 3")
    assert error.type is keyword("sh/failed")
    assert error.retryable is None
    assert error.data.get(keyword("exit")) == 3
    assert error.data.get(keyword("out")) == "out\n"
    assert "why" in (error.message or "")
    assert run("sh", "-c", "exit 3", check_p=False).get(keyword("exit")) == 3


def test_a_program_that_is_not_granted_is_refused_with_the_flag() -> None:
    for grants in (RunGrants(), parse_grants(sh=["git"])):
        error = fails("printf", "x", grants=grants)
        assert error.type is keyword("effect/refused")
        assert "--allow-sh=printf" in (error.message or "")
    assert run("printf", "x", grants=parse_grants(sh=["git,printf"])).get(keyword("out")) == "x"


def test_a_granted_name_is_not_a_grant_of_any_path() -> None:
    error = fails("/tmp/printf", "x", grants=parse_grants(sh=["printf"]))
    assert error.type is keyword("effect/refused")


def test_a_granted_path_is_one_program_whatever_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("granted", "other"):
        (tmp_path / folder).mkdir()
        tool = tmp_path / folder / "tool"
        tool.write_text(f"#!/bin/sh\necho {folder}\n")
        tool.chmod(0o755)
    monkeypatch.chdir(tmp_path / "granted")
    grants = parse_grants(sh=["./tool"])
    assert run("./tool", grants=grants).get(keyword("out")) == "granted\n"
    error = fails("./tool", grants=grants, dir="../other")
    assert error.type is keyword("effect/refused")
    assert f"--allow-sh={tmp_path}/other/tool" in (error.message or "")
    monkeypatch.chdir(tmp_path / "other")  # where an interpreter was started anew
    assert fails("./tool", grants=grants).type is keyword("effect/refused")
    assert run("../granted/tool", grants=grants).get(keyword("out")) == "granted\n"


def test_the_shell_needs_the_grant_of_sh_itself() -> None:
    connector = ShConnector()
    asked = call("sh/shell", parse_grants(sh=["*"]), command="echo a | cat")
    assert failure(connector, asked).type is keyword("effect/refused")
    asked = call("sh/shell", parse_grants(sh=["sh"]), command="echo a | cat")
    assert perform(connector, asked).get(keyword("out")) == "a\n"


def test_a_path_given_by_the_program_finds_no_other_program(tmp_path: Path) -> None:
    fake = tmp_path / "printf"
    fake.write_text("#!/bin/sh\necho fake\n")
    fake.chmod(0o755)
    assert run("printf", "real", env={"PATH": str(tmp_path)}).get(keyword("out")) == "real"


def test_only_harmless_and_granted_variables_are_inherited() -> None:
    connector = ShConnector({"PATH": os.environ["PATH"], "TOKEN": "t", "OTHER": "o", "LANG": "C"})
    grants = parse_grants(sh=["env"], env=["TOKEN"])
    asked = call(
        "sh/run", grants, argv=vector(["env"]), env={"MINE": "m"}, **{"as": keyword("lines")}
    )
    lines = set(perform(connector, asked).get(keyword("out")))
    assert {"TOKEN=t", "MINE=m", "LANG=C"} <= lines
    assert "OTHER=o" not in lines


def test_a_secret_reaches_the_command_and_not_the_run() -> None:
    connector = ShConnector({"PATH": os.environ["PATH"], "FLOWMETAL_SECRET_S": "hidden"})
    from flowmetal.values import hash_map

    asked = call(
        "sh/run",
        argv=vector(["sh", "-c", 'test "$K" = hidden']),
        env=hash_map([("K", Secret("s"))]),
    )
    assert perform(connector, asked).get(keyword("exit")) == 0


def test_a_command_inherits_no_secret_whatever_is_granted() -> None:
    environment = {"PATH": os.environ["PATH"], "FLOWMETAL_SECRET_S": "hidden"}
    for grants in (ALL, parse_grants(sh=["env"], env=["*"])):
        asked = call("sh/run", grants, argv=vector(["env"]))
        assert "SECRET" not in perform(ShConnector(environment), asked).get(keyword("out"))


def test_input_may_be_a_secret() -> None:
    connector = ShConnector({"PATH": os.environ["PATH"], "FLOWMETAL_SECRET_S": "hidden"})
    asked = call("sh/run", argv=vector(["cat"]), **{"in": Secret("s")})
    assert perform(connector, asked).get(keyword("out")) == "#secret s"


@pytest.mark.parametrize(
    "args", [{"dir": "a\0b"}, {"env": {"A\0B": "x"}}, {"in": "\udcff"}], ids=["dir", "env", "in"]
)
def test_what_no_command_can_be_given_is_refused(args: dict[str, Any]) -> None:
    assert fails("true", **args).type is keyword("effect/bad-argument")


def test_a_preloaded_library_is_refused() -> None:
    error = fails("printf", "x", grants=parse_grants(sh=["printf"]), env={"LD_PRELOAD": "/x.so"})
    assert error.type is keyword("effect/bad-argument")


@pytest.mark.parametrize("argv", [[], [1], ["a\0b"]])
def test_what_is_no_command_is_refused(argv: list[Any]) -> None:
    asked = call("sh/run", argv=vector(argv))
    assert failure(ShConnector(), asked).type is keyword("effect/bad-argument")


def test_a_program_or_folder_that_is_not_there_is_named() -> None:
    assert fails("no-such-program-here").type is keyword("sh/not-found")
    assert "no-such-folder" in (fails("printf", "x", dir="/no-such-folder").message or "")


def test_a_working_folder_that_is_gone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run("echo", "here").get(keyword("out")) == "here\n"
    for error in (fails("./tool"), failure(ConfigConnector({}), call("config/read"))):
        assert error.message is not None
        assert error.message.endswith("the interpreter's working folder is gone")


def test_what_keeps_a_command_from_running_is_named(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/program\n")
    script.chmod(0o700)
    error = fails(str(script))
    why = "the program that its first line names is not there"
    assert (error.type.text, error.message) == ("sh/not-run", f"{script} cannot be run: {why}")
    error = fails("ls", dir=str(script))
    assert error.message is not None
    assert error.message.endswith(f"ls cannot be run in {script}: Not a directory")


def test_cancelling_ends_the_command_and_all_that_it_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    script = f"(echo $BASHPID > /dev/null; touch {started}; sleep 1000) & sleep 1000"

    async def cancelled() -> None:
        connector = ShConnector()
        task = asyncio.create_task(
            connector.perform(call("sh/run", argv=vector(["sh", "-c", script])))
        )
        while not started.exists() and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await connector.close()

    before = time.monotonic()
    asyncio.run(cancelled())
    assert time.monotonic() - before < 60
    alive = [
        pid for pid in os.listdir("/proc") if pid.isdigit() and str(started) in _command_line(pid)
    ]
    assert alive == []


def test_all_that_a_command_started_may_clean_up_when_it_is_cancelled(tmp_path: Path) -> None:
    """A shell ends at once, and what it had started was killed with no time for anything."""
    begun, cleaned = tmp_path / "begun", tmp_path / "cleaned"
    inner = (
        f"trap 'sleep 0.3; touch {cleaned}; exit' TERM; touch {begun}; while :; do sleep 0.01; done"
    )

    async def cancelled() -> None:
        connector = ShConnector()
        task = asyncio.create_task(connector.perform(call("sh/shell", command=f"({inner}) | cat")))
        while not begun.exists():
            assert not task.done(), task
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await connector.close()

    asyncio.run(cancelled())
    assert cleaned.exists()


def test_a_command_that_has_to_be_killed_is_heard_of_before_the_loop_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("flowmetal.connectors.processes._GRACE_S", 0.1)
    argv = vector(["sh", "-c", "trap '' TERM; echo begun; sleep 1000"])

    async def timed_out() -> None:
        connector = ShConnector()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await connector.perform(call("sh/run", argv=argv))
        await connector.close()

    asyncio.run(timed_out())
    assert caplog.text == ""


def test_what_a_command_leaves_in_the_background_does_not_hold_its_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flowmetal.connectors.processes._LINGER_S", 0.2)
    before = time.monotonic()
    result = run(
        "sh", "-c", "echo begun; sleep 1000 & echo $! >&2; (sleep 0.05; echo later) &",
        **{"in": "x" * 1_000_000},
    )  # fmt: skip
    assert time.monotonic() - before < 60
    assert result.get(keyword("out")) == "begun\nlater\n"
    assert result.get(keyword("exit")) == 0
    os.kill(int(result.get(keyword("err"))), 9)


def test_what_has_left_the_group_of_a_command_does_not_hold_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    number = tmp_path / "number"
    script = f"setsid sh -c 'echo $$ > {number}; exec sleep 1000' & sleep 1000"

    async def cancelled() -> float:
        connector = ShConnector()
        task = asyncio.create_task(
            connector.perform(call("sh/run", argv=vector(["sh", "-c", script])))
        )
        while not (number.exists() and number.read_text()):
            assert not task.done(), task
            await asyncio.sleep(0.01)
        before = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await connector.close()
        return time.monotonic() - before

    try:
        assert asyncio.run(cancelled()) < 100  # it sleeps for 1,000 s
    finally:
        os.kill(int(number.read_text()), 9)


@pytest.mark.parametrize(
    ("argv", "moments"),
    [(["sh", "-c", "sleep 987654 & sleep 987654"], (3, 6, 11)), (["sleep", "987654"], range(12))],
)
def test_a_command_that_is_cancelled_while_it_begins_leaves_nothing_behind(
    argv: list[str], moments: Iterable[int]
) -> None:
    async def cancelled(turns: int) -> None:
        connector = ShConnector()
        asked = connector.perform(call("sh/run", argv=vector(argv)))
        task = asyncio.create_task(asked)
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(0.01)  # the command is faster than the loop
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await connector.close()

    for turns in moments:
        asyncio.run(asyncio.wait_for(cancelled(turns), 100))
        deadline = time.monotonic() + 100
        while left := [pid for pid in os.listdir("/proc") if "987654" in _command_line(pid)]:
            assert time.monotonic() < deadline, (turns, left)  # who was killed may take a moment


def _command_line(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


PEM = "-----BEGIN KEY-----\nAAAABBBBCCCC\n-----END KEY-----"


def test_a_secret_of_several_lines_is_hidden_in_lines_and_in_what_a_failure_says() -> None:
    connector = ShConnector({"PATH": os.defpath, "FLOWMETAL_SECRET_KEY": PEM})
    said = {"in": Secret("key")}
    lines = perform(
        connector, call("sh/run", argv=vector(["cat"]), **said, **{"as": keyword("lines")})
    )
    assert lines.get(keyword("out")) == vector(["#secret key"])
    error = failure(connector, call("sh/run", argv=vector(["sh", "-c", "cat >&2; exit 3"]), **said))
    assert error.message == "sh ended with exit status 3: #secret key"


def test_a_long_secret_is_hidden_before_what_holds_it_is_cut() -> None:
    connector = ShConnector({"PATH": os.defpath, "FLOWMETAL_SECRET_KEY": "hush" * 500})
    said = {"in": Secret("key")}
    error = failure(connector, call("sh/run", argv=vector(["sh", "-c", "cat >&2; exit 3"]), **said))
    assert error.message == "sh ended with exit status 3: #secret key"
    error = failure(
        connector, call("sh/run", argv=vector(["cat"]), **said, **{"as": keyword("json")})
    )
    assert error.data.get(keyword("out")) == "#secret key"


OF_ANOTHER_USER = """
import asyncio, os
from flowmetal.connectors.sh import ShConnector
from flowmetal.values import vector
from tests.connectors.calls import call

async def timed_out():
    connector = ShConnector()
    argv = vector(["sleep", "5"])
    task = asyncio.create_task(connector.perform(call("sh/run", argv=argv)))
    await asyncio.sleep(1)
    os.setresuid(65534, 65534, 0)
    try:
        async with asyncio.timeout(0.1):
            await task
    except Exception as ended:
        print(type(ended).__name__)
    os.setresuid(0, 0, 0)
    await connector.close()

asyncio.run(timed_out())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_command_of_another_user_times_out_as_any_other() -> None:
    """It was said to have failed, for want of a permission."""
    done = subprocess.run(
        [sys.executable, "-c", OF_ANOTHER_USER],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("TimeoutError\n", "")
