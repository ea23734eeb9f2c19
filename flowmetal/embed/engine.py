"""Durable runs on a store: start, drive, signal, look at, move.

An ``Engine`` is one interpreter: it has a name, it can hold the lease of runs, and
it knows the functions of the host. It opens its store when it is made and closes it
in ``close`` (or at the end of a ``with``). Its methods are what the verbs of
``fmvm`` do.

A run is named by its id, or the beginning of one wherever ``find`` is asked.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from flowmetal.embed import config
from flowmetal.embed.checking import check, checked_methods
from flowmetal.embed.looker import Looker
from flowmetal.embed.mover import Mover
from flowmetal.embed.observing import Observing
from flowmetal.embed.sharer import Sharer
from flowmetal.embed.steerer import Steerer
from flowmetal.embed.views import EventView, RunView, event_view, run_view
from flowmetal.errors import (
    FlowmetalError,
    RefusedError,
    RunError,
    StoreError,
    UsageError,
)
from flowmetal.ids import InterpreterId, RunId, shell_word
from flowmetal.runtime.grants import RunGrants
from flowmetal.runtime.host import Host
from flowmetal.store import open_store
from flowmetal.store.inputs import checked_signal_id
from flowmetal.store.protocol import ENDED, Message, RunQuery, RunRow, RunState
from flowmetal.store.rules import no_such_run
from flowmetal.values import Value, encode_data, keyword
from flowmetal.values.meter import DEFAULT, Limits
from flowmetal.values.names import reads_as_keyword

if TYPE_CHECKING:
    from flowmetal.bytecode.code import Program
    from flowmetal.embed.requesting import Reply
    from flowmetal.embed.retention import Collected, Retention
    from flowmetal.embed.world import HostWorld
    from flowmetal.runtime.starting import Beginning
    from flowmetal.store.protocol import InboxRow

_PAGE = 1000

_STOPPED = ENDED | {RunState.PAUSED, RunState.EXPORTING}


@checked_methods
class Engine(Looker, Mover, Sharer, Steerer):
    """An interpreter on a store, which is ``store_url``, else $FLOWMETAL_STORE, else in the state folder.

    With ``must_exist`` no store is made. ``modules`` are Python modules, ``functions`` Python functions that runs may call
    (``flowmetal.foreign``). ``limits`` say what one instruction and one fiber of a run
    may use. ``on_output(run, text)`` and ``on_log(run, line)`` are called when what a run
    printed or logged is durable, ``on_held(run, holder)`` when a run is to be driven that
    another process drives: its end is waited for. ``on_trouble(run, text)`` is called when something
    keeps a run from going on here, such as a function that this engine does not have, when ``interpret`` has left one
    that failed, and with what it, or a child that it awaits, has waited for since a second.
    """

    def __init__(
        self,
        store_url: str | None = None,
        *,
        must_exist: bool = False,
        modules: Sequence[str] = (),
        functions: Iterable[Callable[..., Any]] = (),
        sync_every: bool = False,
        limits: Limits = DEFAULT,
        on_output: Callable[[str, str], None] | None = None,
        on_log: Callable[[str, str], None] | None = None,
        on_held: Callable[[str, str], None] | None = None,
        on_trouble: Callable[[str, str], None] | None = None,
    ) -> None:
        self.store = open_store(config.store_url(store_url), must_exist=must_exist)
        self.name = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._modules = modules
        self._functions = list(functions)
        self._sync_every = sync_every
        self._limits = limits
        self._observer = Observing(on_output, on_log, on_held, on_trouble, self._long_waits)
        self._host: Host | None = None
        self._making = threading.RLock()
        self._callback_url: str | None = None
        self._performs = True
        self._stops: set[Callable[[], None]] = set()  # of what interprets at the moment
        self._is_stopped = False

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what is driven, and close the store. The engine is of no use any more."""
        self.store.close()

    @property
    def store_url(self) -> str:
        return self.store.url

    def now_us(self) -> int:
        """Return the store's time."""
        return self.store.now_us()

    # Beginning and driving

    def start(
        self,
        program: Program,
        arguments: Sequence[Value] = (),
        *,
        entry: str = "main",
        id: str | None = None,
        tags: Mapping[str, str] | None = None,
        grants: RunGrants | None = None,
        here: bool = False,
    ) -> tuple[str, bool]:
        """Store a new run of ``program``; return its id and True.

        If ``id`` is there already, nothing is changed and the answer is (id, False). ``here``: this engine
        is going to ``drive`` it, so that no other interpreter of the store is to take it meanwhile.
        Raises RunError or UsageError if the run could not begin.
        """
        from flowmetal.bytecode.file import write_program
        from flowmetal.runtime.starting import start_run

        try:
            row, made = start_run(
                self.host,
                program,
                write_program,
                entry=entry,
                arguments=arguments,
                grants=grants,
                tags=tags,
                id=id,
                here=here,
            )
        except RunError as error:
            if error.code in ("FM1120", "FM1121"):
                raise _with_entries(error, program) from None
            raise
        return row.id, made

    def start_many(
        self,
        program: Program,
        beginnings: Iterable[Beginning],
        *,
        entry: str = "main",
        grants: RunGrants | None = None,
    ) -> list[tuple[str, bool]]:
        """Store many new runs of one program; return what ``start`` does for each, in order.

        Some hundreds share a transaction, so this is many times as fast as ``start`` for each.
        If one of them could not begin, none is stored. If it breaks off (the store is gone, say), some may
        be there: with ids of yours you can simply start them all again.
        """
        from flowmetal.bytecode.file import write_program
        from flowmetal.runtime.starting import start_runs

        given = list(beginnings)
        for place, beginning in enumerate(given):
            check("start_many", f"beginnings[{place}]", beginning, "Beginning")
            check("Beginning", "arguments", beginning.arguments, "Sequence[Value]")
            check("Beginning", "id", beginning.id, "str | None")
            check("Beginning", "tags", beginning.tags, "Mapping[str, str]")
        try:
            made = start_runs(self.host, program, write_program, given, entry=entry, grants=grants)
        except RunError as error:
            if error.code in ("FM1120", "FM1121"):
                raise _with_entries(error, program) from None
            raise
        return list(made)

    def drive(self, run: str, *, attach: bool = True) -> RunView:
        """Drive a run in this process until it ends or is paused, and return it.

        If another process drives it, wait for that (``attach``) or raise RefusedError. A run
        that was put aside because its interpreters died (FM1108) gets one more chance.
        """
        from flowmetal.runtime.driving import drive

        row = self.store.run(RunId(run))
        if row is not None and row.state is RunState.FAILED:
            self._revive_if_put_aside(row)
        try:
            driven = drive(self.host, RunId(run), wait_for_others=attach)
        except RunError as error:
            if error.code == "FM1107":
                raise RefusedError(
                    error.code, error.message, hint=f"fmvm wait {shell_word(run)}"
                ) from None
            raise
        return run_view(driven.row)

    def _revive_if_put_aside(self, row: RunRow) -> None:
        from flowmetal.runtime.reviving import Resume, revive

        error = run_view(row).error
        # With a :run it is the error of a child, which nobody took: its own interpreters live.
        if error is not None and error.code == "FM1108" and keyword("run") not in error.data:
            revive(self.host, row.id, Resume(), here=True)

    def result(self, run: str) -> Value:
        """Drive a run until it ends and return its result. Raises RunFailed if it has none."""
        view = self.drive(run)
        if view.state != "completed":
            raise RunFailed(view)
        return view.result

    def interpret(
        self,
        *,
        concurrency: int = 100,
        until_idle: bool = False,
        on_signal: Callable[[], None] = lambda: None,
    ) -> None:
        """Claim and drive runs of the store until interrupted, until ``stop``, or until none can go on.
        ``on_signal`` is called when the process is told to stop."""
        from flowmetal.runtime.interpreting import interpret

        if concurrency < 1:
            message = f"`interpret` drives at least one run at a time, not {concurrency}"
            raise UsageError("FM1333", message, hint="give a `concurrency` from 1 on")
        stops: list[Callable[[], None]] = []

        def begun(stop: Callable[[], None]) -> None:
            stops.append(stop)
            self._stops.add(stop)
            if self._is_stopped:
                stop()

        try:
            interpret(
                self.host,
                concurrency=concurrency,
                until_idle=until_idle,
                on_signal=on_signal,
                begun=begun,
            )
        finally:
            self._stops.difference_update(stops)

    def stop(self) -> None:
        """Let ``interpret`` in other threads end in good order: it claims nothing more, lets what is in flight end for
        some seconds, and gives its runs back. From now on it returns at once."""
        self._is_stopped = True
        for stop in tuple(self._stops):
            with suppress(RuntimeError):  # it has ended meanwhile
                stop()

    def wait(self, run: str, timeout_us: int | None = None) -> RunView | None:
        """Return the run when somebody has driven it to its end (or paused it); None: in time."""
        from flowmetal.embed.patience import wait_until

        def look() -> RunView | None:
            row = self._row(run)
            return run_view(row) if row.state in _STOPPED else None

        return wait_until(self.store, look, timeout_us)

    # Speaking to runs

    def signal(self, run: str, name: str, value: Value = None, *, id: str | None = None) -> Receipt:
        """Send a signal; the same id twice is the same signal. It is durable when this returns.

        ``name`` is that of the keyword the program receives, with or without its colon.
        Raises UsageError FM1320 for a name that no keyword has, and for an id that is none.
        """
        plain = name.removeprefix(":")
        if not reads_as_keyword(plain):
            raise UsageError(
                "FM1320",
                f"{name!r} cannot be the name of a signal",
                hint="write a name without spaces and brackets: `approved` is received as :approved",
            )
        given = None if id is None else checked_signal_id(id)
        return self._send(run, "signal", plain, encode_data(value), given)

    def ask(
        self,
        run: str,
        name: str,
        value: Value = None,
        *,
        id: str | None = None,
        timeout_us: int | None = None,
    ) -> Reply | None:
        """Send a signal and return what the run replies to it (``reply!``); None: not in time.

        The same id again is the same request, with the same reply. Raises asking.Thrown if the run
        rejects it, RunError FM1137 if it ends without a reply.
        """
        from flowmetal.embed import requesting

        return requesting.ask(self, run, name, value, id, timeout_us)

    # Looking

    def find(self, name: str) -> str:
        """Return the id that ``name`` is, or begins alone. Raises RunError FM1101, UsageError FM1316."""
        if self.store.run(RunId(name)) is not None:
            return name
        near = self.store.runs(RunQuery(id_prefix=name, limit=6)) if name else []
        if len(near) == 1:
            return near[0].id
        if near:
            shown = ", ".join(row.id for row in near[:5]) + (", ..." if len(near) > 5 else "")
            raise UsageError(
                "FM1316", f"several runs begin with {name}: {shown}", hint="write more of the id"
            )
        raise RunError("FM1101", f"there is no run {name}", hint="`fmvm ps` lists the runs")

    def view(self, run: str) -> RunView:
        """Return a run as the store has it, without its fibers."""
        return run_view(self._row(run))

    def show(self, run: str) -> RunView:
        """Return a run with its fibers and where each stands."""
        from flowmetal.embed.standing import fibers_of

        row = self._row(run)
        return run_view(row, fibers_of(self.host, row))

    def runs(
        self,
        *,
        states: Sequence[str] = (),
        program: str = "",
        tags: Mapping[str, str] | None = None,
        limit: int = 100,
    ) -> list[RunView]:
        """Return runs, newest first. ``program``: the name that one is deployed as, or the beginning of its
        hash. Raises RunError FM0732 for a name that nothing is deployed as."""
        if program:
            from flowmetal.embed.sharing import program_named

            program = program_named(self.store, program)
        wanted = tuple(map(_state, states))
        query = RunQuery(states=wanted, program=program, tags=tags or {}, limit=limit)
        return [run_view(row) for row in self.store.runs(query)]

    def events(self, run: str, after: int = 0) -> Iterator[EventView]:
        """Yield the history of a run, oldest first, from the event after number ``after`` on. Raises RunError
        FM1101 if there is no such run."""
        first = after
        while page := self.store.events(RunId(run), after, _PAGE):
            if page[-1].seq <= after:
                raise StoreError("FM1001", f"the history of run {run} is damaged: it has no order")
            yield from map(event_view, page)
            after = page[-1].seq
        if after == first:
            self._row(run)

    def last_event(self, run: str) -> int:
        """Return the number of the last event of a run. Raises RunError FM1101 if it is not there."""
        return self._row(run).seq

    def follow(self, run: str, after: int = 0) -> Iterator[EventView]:
        """Yield the history of a run from the event after number ``after`` on, and what is added to it, until
        it has ended."""
        from flowmetal.embed.patience import LOOK_S

        while True:
            ended = self._row(run).state in ENDED
            for event in self.events(run, after):
                yield event
                after = event.seq
            if ended:
                return
            self.store.wait_for_change(LOOK_S)

    def collect(self, policy: Retention | None = None, *, dry_run: bool = False) -> Collected:
        """Apply a retention policy to all runs of the store; say what went, or would go."""
        from flowmetal.embed.retention import Retention, collect

        return collect(self.host, policy or Retention(), dry_run=dry_run)

    def sources(self, program: str) -> dict[str, str]:
        """Return the sources that a stored program carries, by path."""
        from flowmetal.embed.standing import sources_of

        return sources_of(self.store, program)

    def sources_of_failure(self, run: str) -> dict[str, str]:
        """Return the sources that the error of a failed run is about, by path: those before later upgrades."""
        from flowmetal.embed.standing import program_that_failed

        return self.sources(program_that_failed(self.store, self._row(run)))

    def difference(
        self, run: str, program: Program, arguments: Sequence[Value], entry: str = "main"
    ) -> str:
        """Say how a call differs from the one that a run was started with; "" if it does not."""
        from flowmetal.runtime.starting import difference

        return difference(self._row(run), program, entry, arguments)

    @property
    def callback_url(self) -> str | None:
        """Where a server takes answers of callbacks, before their tokens; None: there is no server."""
        return self._callback_url

    @callback_url.setter
    def callback_url(self, url: str | None) -> None:
        self._callback_url = url
        if self._host is not None:
            self._host.callback_url = url

    @property
    def performs(self) -> bool:
        """Say whether what connectors perform is performed here. If not, it is for other processes of the store, and
        runs wait until one has done it; functions of this process are called here all the same."""
        return self._performs

    @performs.setter
    def performs(self, here: bool) -> None:
        self._performs = here
        if self._host is not None:
            self._host.world = self._world()

    @property
    def host(self) -> Host:
        """Return what the runtime stands on; linked when it is first needed."""
        with self._making:  # two would not know what each other's threads drive
            if self._host is None:
                self._host = self._make_host()
            return self._host

    def _make_host(self) -> Host:
        from flowmetal.bytecode.file import read_program
        from flowmetal.embed.natives import natives
        from flowmetal.runtime.clock import StoreClock
        from flowmetal.vm.link import Linker

        return Host(
            store=self.store,
            linker=Linker(natives()),
            world=self._world(),
            clock=StoreClock(self.store),
            owner=InterpreterId(self.name),
            read_program=read_program,
            observer=self._observer,
            sync_every=self._sync_every,
            callback_url=self.callback_url,
            limits=self._limits,
            keys=config.key_ring(),
        )

    def _world(self) -> HostWorld:
        from flowmetal.embed.asking_runs import RunConnector
        from flowmetal.embed.world import HostWorld

        functions = self._functions
        if self._modules:
            from flowmetal.embed.functions import functions_of

            functions = [*functions, *functions_of(self._modules)]
        return HostWorld(
            functions, connectors=[RunConnector(lambda: self.host)], performs=self._performs
        )

    def _send(self, run: str, kind: str, name: str, body: bytes, id: str | None) -> Receipt:
        row = self.store.send(
            RunId(run), Message(os.urandom(8).hex() if id is None else id, kind, name, body)
        )
        if row is None:
            raise no_such_run(RunId(run))
        return Receipt(row)

    def _row(self, run: str) -> RunRow:
        row = self.store.run(RunId(run))
        if row is None:
            raise no_such_run(RunId(run))
        return row


class RunFailed(RunError):
    """A run ended without a result. ``view`` is the run."""

    exit_status = 1

    def __init__(self, view: RunView) -> None:
        message = view.error.message if view.error else f"it is {view.state}"
        super().__init__(
            "FM1110",
            f"run {view.id} has no result: {message}",
            hint=f"see `fmvm show {shell_word(view.id)}`",
        )
        self.view = view


class Receipt:
    """What a run's inbox says of a message: ``id``, ``name``, and ``number`` among the run's messages.

    For an id that has been there, they are those of the message that came first.
    """

    def __init__(self, row: InboxRow) -> None:
        self.id = row.message.id
        self.name = row.message.name
        self.number = row.number


def _state(name: str) -> RunState:
    try:
        return RunState(name)
    except ValueError:
        known = ", ".join(state.value for state in RunState)
        message = f"{name!r} is no state of a run"
        raise UsageError("FM1333", message, hint=f"the states are {known}") from None


def _with_entries(error: RunError, program: Program) -> FlowmetalError:
    """Return the error that an entry point is not there, or not so, with those that there are."""
    from flowmetal.embed.inspection import inspect_program

    entries = inspect_program(program).entries
    known = ", ".join(f"{entry.name} {' '.join(entry.parameters)}" for entry in entries)
    hint = f"its entry points are {known}" if known else "define `main`: it has no public function"
    return error.with_help(hint)
