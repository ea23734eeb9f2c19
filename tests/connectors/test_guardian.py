"""Commands of an interpreter that has been killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
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
    guardian.close()


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
