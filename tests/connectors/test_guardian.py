"""Commands of an interpreter that has been killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowmetal.connectors.guardian import Guardian

# The command takes its time, so that its interpreter has taken note of it when it is killed.
INTERPRETER = """
import asyncio, os
from flowmetal.connectors.sh import ShConnector
from tests.connectors.calls import call
from flowmetal.values import vector
argv = vector(["sh", "-c", "sleep 1000 & sleep 0.5; echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 1000"])
asyncio.run(ShConnector().perform(call("sh/run", argv=argv)))
"""

# A pool of a function of the host, say: it lives on when its interpreter is killed.
FORKING = """
import os, sys, time
from flowmetal.connectors.guardian import Guardian
guardian = Guardian()
guardian.begin()
guardian.watch(int(sys.argv[1]))
if not os.fork():
    time.sleep(1000)
print("forked", flush=True)
sys.stdin.read()
guardian.forget(int(sys.argv[1]))
guardian.close()
print("closed", flush=True)
os.killpg(0, 9)
"""


@pytest.fixture
def forking(group: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", FORKING, str(group.pid)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"forked\n"
        yield process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def until(what: str, good: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not good():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def group() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "1000"], start_new_session=True)


def test_commands_end_with_the_interpreter_that_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = INTERPRETER.format(pid=pid)
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as killed:
        until("the command has begun", pid.exists)
        killed.kill()
    group = int(pid.read_text())
    until("the command and what it began have ended", lambda: is_gone(group))


def test_commands_end_with_an_interpreter_that_has_forked_others(
    group: subprocess.Popen[bytes], forking: subprocess.Popen[bytes]
) -> None:
    """They had the end of the pipe by which the guardian hears of the interpreter's."""
    forking.kill()
    assert group.wait(20) == -signal.SIGTERM


@pytest.mark.timeout(60)
def test_a_guardian_ends_although_others_were_forked(
    group: subprocess.Popen[bytes], forking: subprocess.Popen[bytes]
) -> None:
    """It was waited for as long as they lived, and no interpreter with such a pool came to its end."""
    assert forking.stdin is not None
    assert forking.stdout is not None
    forking.stdin.close()
    assert forking.stdout.readline() == b"closed\n"
    assert group.poll() is None
    group.kill()
    group.wait()


def test_a_guardian_that_somebody_has_ended_is_begun_again(group: subprocess.Popen[bytes]) -> None:
    guardian = Guardian()
    guardian.begin()
    first = guardian._process
    assert first is not None
    first.kill()
    first.wait()
    guardian.watch(group.pid)
    second = guardian._process
    assert second is not None
    assert second.pid != first.pid
    assert second.stdin is not None
    second.stdin.close()  # as the system does when we die
    assert group.wait(20) == -signal.SIGTERM
    second.kill()
    second.wait()


def test_a_command_that_has_ended_is_forgotten(group: subprocess.Popen[bytes]) -> None:
    guardian = Guardian()
    guardian.begin()
    for number in (group.pid, 1 << 22):
        guardian.watch(number)
    guardian.forget(group.pid)
    guardian.forget(1 << 22)
    guardian.close()
    assert group.poll() is None
    group.kill()
    group.wait()
