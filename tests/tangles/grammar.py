"""A seed gives a program: fibers, retries, sagas, locks, channels and timeouts, one inside of the other.

Every form gives a number, so that any form may stand anywhere. A place knows what is around it: whether there is
a saga to register with, which channels, promises and fibers it can reach. What is waited for is bounded in time,
or nobody would know a program that hangs rightly from one that hangs.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

PRELUDE = (Path(__file__).parent / "prelude.flow").read_text()

TYPES = (":x/a", ":x/b", ":x/c")


@dataclass(frozen=True)
class Around:
    """What is around a place of a program."""

    depth: int
    saga: bool = False
    cleaning: bool = False
    channels: tuple[str, ...] = ()
    promises: tuple[str, ...] = ()
    fibers: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()

    def inner(self, by: int = 1) -> Around:
        return replace(self, depth=self.depth - by)


@dataclass
class Author:
    """Writes one program. ``shared``: it asks the store, too: for locks, shared state, callbacks, other
    runs. ``tells``: no error that is thrown in it gets lost, whatever fails beside it."""

    chance: random.Random
    shared: bool
    tells: bool = False
    sites: count[int] = field(default_factory=lambda: count(1))

    def program(self, depth: int) -> str:
        parts = " ".join(
            f"(try {self.form(Around(depth))} (catch :default e (told e)))"
            for _ in range(self.chance.randint(1, 2))
        )
        if self.chance.random() < 0.15 and not self.tells:
            parts += f" {self.form(Around(depth))}"  # and if it fails, the run stops
        return f"{PRELUDE}\n(defn main []\n  [{parts} @a @b])\n"

    # Small parts

    def one(self, *choices: str) -> str:
        return self.chance.choice(choices)

    def duration(self, most_ms: int = 3000) -> str:
        ms = self.chance.choice((1, 7, 30, 110, 400, 900, 1500, 2500, most_ms))
        return f'#dur "{min(ms, most_ms)}ms"'

    def site(self) -> int:
        return next(self.sites)

    def name(self, what: str) -> str:
        return f"{what}{self.site()}"

    def policy(self) -> str:
        """Return a policy, some of them with functions in it, for a body."""
        if self.tells:
            return self.plain_policy(":on-retry (fn [e _] (told e))")
        more = self.one(
            "", "", ':max-elapsed #dur "2s"', ":retry-if (fn [e] (not= :x/b (:type e)))",
            ":on-retry (fn [e n] (say :retries n))",
            f":on-retry (fn [e n] (quick [{self.site()} *at* n]))",
        )  # fmt: skip
        return self.plain_policy(more)

    def plain_policy(self, more: str = "") -> str:
        attempts = self.chance.randint(2, 3)
        backoff = self.one(
            f"(retry/constant {self.duration(900)})",
            f"(retry/exponential {self.duration(400)})",
            f"(retry/linear {self.duration(400)} {self.duration(110)})",
        )
        return f"{{:max-attempts {attempts} :backoff {backoff} :jitter :none {more}}}"

    # Forms

    def form(self, around: Around) -> str:
        if around.depth <= 0:
            return self.leaf(around)
        table = self.composites(around)
        make = self.chance.choices([row[1] for row in table], [row[0] for row in table])[0]
        return make(around.inner())

    def forms(self, around: Around, least: int = 2, most: int = 3) -> list[str]:
        """Return forms that stand side by side: one as deep as it may be, the others shallow, so that programs
        nest deeply and stay small."""
        count = self.chance.randint(least, most)
        deep = self.chance.randrange(count)
        return [
            self.form(around) if each == deep else self.form(self.shallow(around))
            for each in range(count)
        ]

    def shallow(self, around: Around) -> Around:
        return replace(around, depth=min(around.depth, self.chance.choice((0, 0, 0, 1, 1, 2))))

    def composites(self, around: Around) -> list[tuple[int, Callable[[Around], str]]]:
        # fmt: off
        tells = [
            (6, self.sequence), (3, self.loop), (3, self.choice), (8, self.all), (4, self.pmap),
            (6, self.scope), (6, self.retry), (6, self.step), (8, self.saga), (8, self.attempt), (4, self.fiber),
            (3, self.promise), (2, self.bound),
        ]
        if self.tells:
            return tells
        return [
            *tells, (4, self.settle), (5, self.race), (4, self.any), (8, self.timeout), (3, self.attempt), (8 * self.shared, self.lock),
            (3, self.channel), (2, self.pipeline), (2, self.on_cancel), (1, self.poll),
        ]
        # fmt: on

    def leaf(self, around: Around) -> str:
        site = self.site()
        if self.tells:
            return self.plain(around, site)
        table = [
            (3, str(self.chance.randrange(100))),
            (5, f"(quick [{site} *at*])"),
            (9, f"(remote [{site} *at*])"),
            (3, f"(perform :t/remote {{:args [[{site} *at*]] :retry {self.plain_policy()}}})"),
            (6, f"(num (sleep! {self.duration()}))"),
            (2, f"(boom {self.one(*TYPES)} {self.one('true', 'true', 'false')} {site})"),
            (2, f"(swap! {self.one('a', 'b')} + {self.chance.randrange(9)})"),
            (1, "(do (now!) 4)"),
            (1, "(attempt)"),
            (1, "(+ *d* (if (deadline) 1 0))"),
            (2, f"(num (receive! :s {{:timeout {self.duration()} :else 0}}))"),
        ]
        if around.saga:
            table.append((5, f"(do (compensate! (undoing (fn [] {self.undo()}))) 8)"))
        if around.channels:
            ch, other = self.one(*around.channels), self.one(*around.channels)
            table += [
                (3, f"(num (with-timeout! {self.duration()} {{:else 9}} (>! {ch} {site})))"),
                (3, f"(num (with-timeout! {self.duration()} {{:else 9}} (<! {ch})))"),
                (3, f"(num (first (alts! [{ch} [{other} {site}] (timeout {self.duration()})])))"),
                (1, f"(num (offer! {ch} {site}))"),
                (1, f"(num (poll! {ch}))"),
                (1, f"(num (close! {ch}))"),
            ]
        if around.promises:
            p = self.one(*around.promises)
            table += [
                (3, f"(num (deliver! {p} {site}))"),
                (1, f'(num (fail! {p} (ex-info "p" {{:type :x/c}})))'),
                (4, f"(num (await! {p} {{:timeout {self.duration()} :else 11}}))"),
            ]
        if around.fibers:
            f = self.one(*around.fibers)
            table += [(2, f"(num (cancel! {f}))"), (3, f"(num (await! {f}))")]
        if around.scopes:
            table.append((2, f"(num (cancel! {self.one(*around.scopes)}))"))
        if self.shared:
            callback = f"(event/callback! {{:timeout {self.duration()}}})"
            table += [
                (3, f"(num (await! (start! child [{site}])))"),
                (2, f'(state/update! "k{site % 3}" (fnil inc 0))'),
                (
                    2,
                    f"(num (event/await-callback! {callback} {{:timeout {self.duration()} :else 6}}))",
                ),
            ]
        return self.chance.choices([row[1] for row in table], [row[0] for row in table])[0]

    def plain(self, around: Around, site: int) -> str:
        """Return a leaf that ends no form but by an error, and no error but its own."""
        cleans = [f"(num (sleep! {self.duration()}))", f"(swap! a + {site})"]
        if (
            around.cleaning
        ):  # what a finally block throws takes the place of what was thrown before it
            return self.one(*cleans)
        table = [
            *cleans,
            f"(remote [{site} *at*])",
            f"(boom {self.one(*TYPES)} true {site})",
            f"(boom {self.one(*TYPES)} false {site})",
        ]
        if around.saga:
            table.append(f"(do (compensate! (undoing (fn [] {self.undo()}))) 8)")
        return self.one(*table)

    def undo(self) -> str:
        site = self.site()
        if self.tells:  # a saga that is cancelled tells nobody what could not be undone
            return f"(remote [{site} *at*])"
        return self.one(
            f"(quick [{site} *at*])",
            f"(remote [{site} *at*])",
            f"(sleep! {self.duration(900)})",
            f"(boom :x/c true {site})",
            f'(step! "undo" (remote [{site} *at*]))',
        )

    def sequence(self, around: Around) -> str:
        return f"(mix {' '.join(self.forms(around))})"

    def loop(self, around: Around) -> str:
        i, sum_ = self.name("i"), self.name("sum")
        n = self.chance.randint(2, 3)
        return (
            f"(loop [{i} 0 {sum_} 0] (if (< {i} {n}) (recur (inc {i}) "
            f"(mix {sum_} (binding [*at* (conj *at* {i})] {self.form(around)}))) {sum_}))"
        )

    def choice(self, around: Around) -> str:
        test, yes, no = self.forms(around, 3)
        return f"(if (even? {test}) {yes} {no})"

    def all(self, around: Around) -> str:
        return f"(form :all (num (all! {' '.join(self.forms(around))})))"

    def settle(self, around: Around) -> str:
        return f"(form :settle (num (settle! {' '.join(self.forms(around))})))"

    def race(self, around: Around) -> str:
        return f"(form :race (race! {' '.join(self.forms(around))}))"

    def any(self, around: Around) -> str:
        return f"(form :any (any! {' '.join(self.forms(around))}))"

    def pmap(self, around: Around) -> str:
        options = self.one("{}", "{:concurrency 2}") if self.tells else self.one(
            "{}", "{:concurrency 1}", "{:concurrency 2}", "{:on-error :collect}", "{:enough 1}",
            "{:enough 2 :concurrency 2}", "{:tolerate 1}", "{:tolerate 0.5 :concurrency 2}",
            "{:ordered false}", "{:on-error :collect :concurrency 1}",
        )  # fmt: skip
        i = self.name("i")
        body = self.form(around)
        item = f"(fn [{i}] (binding [*at* (conj *at* {i})] (mix {i} {body})))"
        return f"(form :pmap (num (pmap! {item} (range {self.chance.randint(2, 4)}) {options})))"

    def scope(self, around: Around) -> str:
        s = self.name("s")
        inside = replace(around, scopes=(*around.scopes, s))
        *begun, body = self.forms(inside)
        spawned = " ".join(
            f"({self.one('spawn! (fn [] ', 'spawn! (fn [] ', 'go! (do ')}{each}))"
            if not self.tells
            else f"(spawn! (fn [] {each}))"
            for each in begun
        )
        return f"(form :scope (scope! [{s}] {spawned} {body}))"

    def timeout(self, around: Around) -> str:
        options = self.one("", "{:else 12}")
        return f"(form :timeout (with-timeout! {self.duration()} {options} {self.form(around)}))"

    def retry(self, around: Around) -> str:
        return (
            f"(form :retry (retry/with-retry! {self.policy()} (form :attempt {self.form(around)})))"
        )

    def step(self, around: Around) -> str:
        options = [
            self.chance.random() < 0.7 and f":retry {self.policy()}",
            not self.tells and self.chance.random() < 0.4 and f":timeout {self.duration()}",
        ]
        given = " ".join(option for option in options if option)
        name = f'"step{self.site()}"'
        return f"(form :step (step! {name} {{{given}}} (form :attempt {self.form(around)})))"

    def saga(self, around: Around) -> str:
        options = self.one("", "", ":parallel true", ":on-undo-error :stop", ":park true")
        kind = (
            ":saga-stops"
            if "stop" in options
            else ":saga-parallel"
            if "parallel" in options
            else ":saga"
        )
        inside = replace(around, saga=True)
        undos = [f"(compensate! (undoing (fn [] {self.undo()})))" for _ in range(2)]
        parts = self.forms(inside, 2, 2)
        policy = f":undo-retry {self.policy()}"
        end = "" if self.chance.random() < 0.5 else f"(boom {self.one(*TYPES)} true {self.site()})"
        body = f"{undos[0]} (num [{parts[0]} {undos[1]} {parts[1]} {end}])"
        return f"(form {kind} (saga! {{{options} {policy}}} (saga-body (fn [] {body}))))"

    def attempt(self, around: Around) -> str:
        """try, with handlers and a finally, or one of them."""
        inside = replace(around, cleaning=True)
        is_deep_inside = self.chance.random() < 0.35 and not self.tells
        body = self.form(self.shallow(around) if is_deep_inside else around)
        cleaning = self.form(inside if is_deep_inside else self.shallow(inside))
        if self.tells:
            cleaning = self.leaf(inside)
        e = self.name("e")
        handler = f"(mix (told {e}) {self.form(self.shallow(around).inner())})"
        kind = (
            ":default"
            if self.tells
            else self.one(
                *TYPES,
                ":default",
                ":default",
                ":timeout",
                f"(fn [_] (= {self.site() % 2} 0))",
                ":flow/cancelled",
            )
        )
        if kind == ":flow/cancelled":
            handler = self.one(handler, f"(do (told {e}) (throw {e}))")
        caught = f"(catch {kind} {e} {handler})"
        if self.chance.random() < 0.1 and not self.tells:
            cleaning = '(sleep! #dur "40s")'
        finally_ = f"(finally (noted (fn [] {cleaning})))"
        parts = self.chance.choice((caught, finally_, finally_, f"{caught} {finally_}"))
        kind = ":cleans" if finally_ in parts else ":catches"
        return f"(form {kind} (try {body} {parts}))"

    def lock(self, around: Around) -> str:
        wait = self.one("{:wait %s}", "{:wait %s :else 13}") % self.duration()
        body = self.form(around)
        name = self.one("x", "y")
        if self.chance.random() < 0.3:
            return f'(form :lock (with-permit! permits {wait} (held "permits" (fn [] {body}))))'
        return f'(form :lock (with-lock! "{name}" {wait} (held "{name}" (fn [] {body}))))'

    def fiber(self, around: Around) -> str:
        f = self.name("f")
        begun, rest = self.forms(replace(around, fibers=(*around.fibers, f)), 2, 2)
        begun = begun if f not in begun else self.form(self.shallow(around))
        end = (
            f"(await! {f})"
            if self.tells
            else self.one(
                f"(await! {f})",
                f"(num (cancel! {f}))",
                f"(await! {f} {{:timeout {self.duration()} :else 14}})",
                "15",
            )
        )
        return f"(let [{f} (spawn! (fn [] {begun}))] (mix {rest} {end}))"

    def channel(self, around: Around) -> str:
        ch = self.name("ch")
        made = self.one(
            "(chan)",
            "(chan 1)",
            "(chan 2)",
            "(chan (sliding 1))",
            "(chan (dropping 1))",
            "(chan 2 (map inc))",
        )
        inside = replace(around, channels=(*around.channels, ch))
        return f"(let [{ch} {made}] (form :all (num (all! {' '.join(self.forms(inside))}))))"

    def pipeline(self, around: Around) -> str:
        from_, to, got, i = (self.name(name) for name in ("from", "to", "got", "i"))
        body = self.form(self.shallow(around).inner())
        work = f"(fn [{i}] (binding [*at* (conj *at* {i})] (mix {i} {body})))"
        return (
            f"(form :scope (scope! [_] (let [{from_} (chan 1) {to} (chan 1)]"
            f" (go! (doseq [{i} (range 3)] (>! {from_} {i})) (close! {from_}))"
            f" (pipeline! 2 {to} (map {work}) {from_})"
            f" (loop [{got} 0] (let [v (<! {to})] (if (nil? v) {got} (recur (mix {got} v))))))))"
        )

    def promise(self, around: Around) -> str:
        p = self.name("p")
        inside = replace(around, promises=(*around.promises, p))
        return f"(let [{p} (promise!)] (form :all (num (all! {' '.join(self.forms(inside))}))))"

    def on_cancel(self, around: Around) -> str:
        cleaning = self.leaf(replace(around, cleaning=True))
        return f"(form :on-cancel (on-cancel (noted (fn [] {cleaning})) {self.form(around)}))"

    def bound(self, around: Around) -> str:
        return f"(binding [*d* {self.chance.randrange(9)}] (mix *d* {self.form(around)} *d*))"

    def poll(self, around: Around) -> str:
        options = f"{{:every {self.duration()} :max-attempts 3 :until (fn [x] (even? x))}}"
        return f"(form :poll (poll-until! (fn [] (form :attempt {self.form(self.shallow(around))})) {options}))"


def write(seed: int) -> str:
    """Return the program of a seed."""
    chance = random.Random(seed)
    return Author(chance, is_shared(seed), tells(seed)).program(chance.choice((6, 7, 8, 9)))


def is_shared(seed: int) -> bool:
    """Say whether the program of a seed asks the store, whose answers come at no moment that a crash leaves alone."""
    return seed % 3 == 0


def tells(seed: int) -> bool:
    """Say whether all errors that the program of a seed throws have to be told."""
    return seed % 6 == 1
