"""Real interpreters on a real store, killed and stopped at random, and what must be true afterwards.

A storm keeps so many workers on a store. Now and then one is killed (SIGKILL) and replaced, or stopped
(SIGSTOP) until its lease is long over and then let go on, so that it comes back to runs that
others have; or its link to the server is cut for as long. Whatever happens, each run ends with the right result, its history is one line, and
each thing that it did to the world has one key which nothing else has.
"""

from __future__ import annotations

import contextlib
import logging
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

from flowmetal.effects import events
from flowmetal.embed import Beginning, Engine, compile
from flowmetal.errors import StoreError
from flowmetal.ids import RunId
from flowmetal.store.protocol import LIVING, RunQuery, RunState
from flowmetal.values.codec import decode_data
from tests.link import Link
from tests.postgres import Server
from tests.torture.works import WORKS, Work

log = logging.getLogger(__name__)  # pytest --log-cli-level=INFO shows what a storm has done


@dataclass
class Worker:
    process: subprocess.Popen[bytes]
    link: Link | None = None
    waked_at: float | None = None  # stopped until then
    mended_at: float | None = None  # its link is cut until then

    def end(self) -> int:
        """Kill it; return its status."""
        self.process.send_signal(SIGKILL)
        if self.link is not None:
            self.link.close()
        return self.process.wait()


@dataclass
class Storm:
    """``run`` raises AssertionError when something is not as it must be. Times are in seconds.

    With a ``server``, workers reach it by links that are cut now and then.
    """

    url: str
    folder: Path
    seed: int
    server: Server | None = None
    workers: int = 4
    lease_s: float = 0.8
    pause_s: float = 0.3  # between two blows, on average
    told: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._alive: list[Worker] = []
        self._errors: list[Path] = []

    def run(
        self,
        runs: int,
        steps: int,
        *,
        limit_s: float,
        restarts: Sequence[Restart] = (),
        work: Work = WORKS["alone"],
    ) -> None:
        """Start runs, let the storm go over them until all have ended, and look at them."""
        self._concurrency = max(1, runs // self.workers)  # few, so that all have some
        with Engine(self.url) as engine, self._workers():
            started = [
                run
                for run, _ in engine.start_many(
                    compile(work.source),
                    [Beginning([f"r-{n}", steps], f"r-{n}") for n in range(runs)],
                )
            ]
            self._blow(engine, limit_s, list(restarts))
            self._check_errors()
            for run in started:
                self._check(engine, RunId(run), work.result(steps))
            states = {row.state for row in engine.store.runs(RunQuery(limit=1_000_000))}
            assert states == {RunState.COMPLETED}, (self.seed, states)  # children too
        self._check_journal(runs, steps, work)
        log.info("%d runs of %d steps: %s", runs, steps, dict(self.told))

    def _blow(self, engine: Engine, limit_s: float, restarts: list[Restart]) -> None:
        began = time.monotonic()
        while not self._have_ended(engine):
            now = time.monotonic()
            assert now - began < limit_s, (
                f"after {limit_s} s: {self._left(engine)} seed {self.seed}"
            )
            self._wake(now)
            self._mend(now)
            if restarts and now - began > restarts[0].after_s:
                restarts.pop(0).restart()
                self.told["restart"] += 1
            elif self._random.random() < 0.4:
                self._kill()
            elif self.server is not None and self._random.random() < 0.5:
                self._cut(now)
            else:
                self._stop(now)
            time.sleep(self._random.expovariate(1 / self.pause_s))
        for restart in restarts:  # it was over before the last one
            restart.restart()
        self._wake(float("inf"))

    def _have_ended(self, engine: Engine) -> bool:
        try:
            if engine.store.runs(RunQuery(states=LIVING, limit=1)):
                return False
            return not self._let_go_on(engine)
        except StoreError:
            return False  # the server is away

    def _let_go_on(self, engine: Engine) -> int:
        """Do what an operator does with runs whose interpreters died again and again: it was not their fault."""
        suspects = [
            row.id
            for row in engine.store.runs(RunQuery((RunState.FAILED,), limit=1_000_000))
            if row.error is not None and decode_data(row.error).code == "FM1108"
        ]
        for run in suspects:
            engine.retry(run)
            self.told["put aside"] += 1
        return len(suspects)

    def _left(self, engine: Engine) -> list[object]:
        return [row[:7] for row in engine.store.runs(RunQuery(states=LIVING, limit=5))]

    # Workers

    @contextlib.contextmanager
    def _workers(self) -> Iterator[None]:
        try:
            for _ in range(self.workers):
                self._start()
            yield
        finally:
            for worker in self._alive:
                worker.end()

    def _start(self) -> None:
        self._errors.append(self.folder / f"errors-{len(self._errors)}")
        lease_us = int(self.lease_s * 1e6)
        link = None if self.server is None else Link(self.server.port)
        words = (
            self._url_by(link),
            str(self.folder / "journal"),
            str(lease_us),
            str(self._concurrency),
        )
        with self._errors[-1].open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.torture.worker", *words],
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        self._alive.append(Worker(process, link))

    def _url_by(self, link: Link | None) -> str:
        if self.server is None or link is None:
            return self.url
        return f"{self.server.url(port=link.port)}?schema={self.url.rpartition('=')[2]}"

    def _kill(self) -> None:
        worker = self._random.choice(self._alive)
        assert worker.end() == -SIGKILL, f"a worker ended by itself: {self._said()}"
        self._alive.remove(worker)
        self.told["kill"] += 1
        self._start()

    def _stop(self, now: float) -> None:
        awake = [worker for worker in self._alive if worker.waked_at is None]
        if len(awake) > 1:
            worker = self._random.choice(awake)
            worker.process.send_signal(SIGSTOP)
            worker.waked_at = now + self._while_it_lasts()
            self.told["stop"] += 1

    def _cut(self, now: float) -> None:
        linked = [worker for worker in self._alive if worker.mended_at is None]
        if len(linked) > 1:
            worker = self._random.choice(linked)
            assert worker.link is not None
            worker.link.cut()
            worker.mended_at = now + self._while_it_lasts()
            self.told["cut"] += 1

    def _while_it_lasts(self) -> float:
        return self.lease_s * self._random.uniform(0.8, 1.8)

    def _wake(self, now: float) -> None:
        for worker in self._alive:
            if worker.waked_at is not None and worker.waked_at <= now:
                worker.process.send_signal(SIGCONT)
                worker.waked_at = None

    def _mend(self, now: float) -> None:
        for worker in self._alive:
            if worker.link is not None and worker.mended_at is not None and worker.mended_at <= now:
                worker.link.mend()
                worker.mended_at = None

    # What must be true

    def _check_errors(self) -> None:
        said = self._said()
        assert "Traceback" not in said, f"seed {self.seed}: {said}"

    def _said(self) -> str:
        return "".join(errors.read_text() for errors in self._errors)

    def _check(self, engine: Engine, run: RunId, result: int) -> None:
        row = engine.store.run(run)
        assert row is not None
        assert row.state is RunState.COMPLETED, (self.seed, row)
        assert engine.result(run) == result, (self.seed, run)
        history = list(engine.events(run))
        assert [event.seq for event in history] == list(range(1, len(history) + 1)), (
            self.seed,
            run,
        )
        for kind in (events.REQUESTED, events.RESOLVED):
            numbers = [event.effect for event in history if event.kind == kind]
            assert len(numbers) == len(set(numbers)), (self.seed, run, kind)
        found = engine.verify(run)
        assert not found.problems, (self.seed, run, found)

    def _check_journal(self, runs: int, steps: int, work: Work) -> None:
        """Look at the world: all that was to happen has, each thing under one key of its own."""
        text = (self.folder / "journal").read_text()
        lines = [line.split("\t") for line in text.splitlines()]
        things, keys = defaultdict(set), defaultdict(set)
        for key, *thing in lines:
            things[tuple(thing)].add(key)
            keys[key].add(tuple(thing))
        assert all(len(found) == 1 for found in (*things.values(), *keys.values())), self.seed
        assert len(things) == runs * sum(map(work.things, range(steps))), (self.seed, len(things))
        work.check(lines)


@dataclass(frozen=True)
class Restart:
    """A crash of the server, so many seconds after the beginning."""

    after_s: float
    server: Server

    def restart(self) -> None:
        self.server.stop()
        self.server.start()
