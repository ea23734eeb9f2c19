"""Programs with changed code that the verifier accepts: whatever the machine does, it does it well.

The files of programs are named by hashes, so changed bytes never get as far as the machine. What
is changed here is the code itself: instructions, operands, constants, handlers, case tables,
captures. A mutant that the verifier refuses is no more to be said about.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache

from flowmetal.bytecode.code import (
    Body,
    CaseTable,
    Definition,
    Function,
    Handler,
    HandlerKind,
    Module,
    Program,
)
from flowmetal.bytecode.file import read_program, write_program
from flowmetal.bytecode.opcodes import Op, Operand
from flowmetal.embed.natives import natives
from flowmetal.embed.session import Session
from flowmetal.errors import ProgramError, RunError
from flowmetal.ids import RunId
from flowmetal.snapshot import decode, encode
from flowmetal.source import Source
from flowmetal.values import (
    EMPTY_MAP,
    Duration,
    Value,
    hash_map,
    keyword,
    list_of,
    set_of,
    symbol,
    vector,
)
from flowmetal.values.meter import Limits
from flowmetal.vm import machine as vm
from flowmetal.vm.link import Image
from flowmetal.vm.state import MachineStatus

FUEL = 20_000
TEXT = """(ns user (:require [flow.async :refer :all]))
(def ^:dynamic *d* 1)
(def kept (atom [1 2]))
(defn- even [n] (letfn [(e [n] (if (< n 1) true (o (dec n)))) (o [n] (if (< n 1) false (e (dec n))))] (e n)))
(defn- tried [x]
  (try (if (> x 2) (throw (ex-info "no" {:type :my/no :x x})) (+ x 1))
    (catch :my/no e (:x (ex-data e)))
    (catch (fn [e] (nil? e)) e 7)
    (finally (swap! kept conj x))))
(defn- bound [x] (binding [*d* x] (set! *d* (* *d* 2)) (try (case *d* 2 :two 4 [:four] :else) (finally (print *d*)))))
(defn- rests [a & more] (apply str a (map inc more)))
(defn- looped [n] (loop [i 0 found #{}] (if (>= i n) {:found found :n n} (recur (+ i 1) (conj found (- i 1))))))
(defn- chosen [x] (with-restart [:skip "leave out" (fn [] :skipped)] (if (= x 1) (throw (ex-info "r" {})) x)))
(defn- asked [] (let [f (spawn! (fn [] (perform :time/now {})))] [(await! f) (perform :time/sleep {:for 1})]))
(defn main [x]
  [(even 3) (tried x) (tried 5) (bound x) (rests x 1 2 3) (looped 4) (not (even 2))
   (try (chosen x) (catch :default e (str e))) (asked) (first (rest (lazy-seq [1 2 3])))])
"""

VALUES: tuple[Value, ...] = (
    None, True, False, 0, 1, -1, 1 << 70, 1.5, "", "flow.core/str", "user/main", "user/*d*", "user/nothing",
    "time/now", "step/begin", "code/compile", keyword("type"), keyword("my/no"), keyword("default"), symbol("a/b"), vector([]),
    vector(["user/*d*"]), vector(["user/*d*", "user/kept"]), list_of([1, 2]), EMPTY_MAP,
    hash_map([(keyword("for"), 1)]), set_of([1]), b"x", Duration(1), symbol("Exception"),
)  # fmt: skip


class Choices:
    """Bytes as a row of choices; when they are used up, every choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, most: int) -> int:
        """Return a number from 0 up to, and without, ``most``; 0 if there is none."""
        width = 1 if most <= 256 else 2
        taken = self._data[self._at : self._at + width]
        self._at += width
        return int.from_bytes(taken, "big") % most if most > 0 else 0


@cache
def original() -> Program:
    """Return the program whose functions are changed."""
    return Session().compile_text(Source("user.flow", TEXT))


@lru_cache(maxsize=1)
def _calls() -> tuple[Value, ...]:
    """Return every native with every count of arguments that it takes, up to four, as NATIVE has it."""
    return tuple(
        vector([native.name, count])
        for native in sorted(natives().values(), key=lambda native: native.name)
        for count in range(native.least, 1 + min(4, 4 if native.most is None else native.most))
    )


def mutant(data: bytes) -> Program:
    """Return the program with one to four changes, and with hashes that are right again."""
    choose = Choices(data)
    program = original()
    at = next(i for i, module in enumerate(program.modules) if module.name == "user")
    module = program.modules[at]
    functions = list(module.functions)
    for _ in range(1 + choose.below(4)):
        which = choose.below(len(functions))
        functions[which] = _changed(functions[which], functions, choose)
    names = {
        old.hash: new
        for old, new in zip(module.functions, _rehashed(module.functions, functions), strict=True)
    }
    definitions = tuple(_pointed(each, names) for each in module.definitions)
    made = module._replace(
        functions=tuple({f.hash: f for f in names.values()}.values()), definitions=definitions
    )
    return replace(program, modules=(*program.modules[:at], made, *program.modules[at + 1 :]))


def _rehashed(old: tuple[Function, ...], changed: list[Function]) -> list[Function]:
    """Let functions name those inside of them by the hashes that these have now."""
    by_old = dict(zip((f.hash for f in old), changed, strict=True))
    done: dict[str, Function] = {}

    def settle(name: str, above: tuple[str, ...]) -> Function:
        if name not in done:
            inside = by_old[name]
            nested = tuple(
                settle(each, (*above, name)).hash
                for each in inside.functions
                if each in by_old and each not in above and each != name
            )
            done[name] = replace(inside, functions=nested)
        return done[name]

    return [settle(f.hash, ()) for f in old]


def _pointed(definition: Definition, names: dict[str, Function]) -> Definition:
    if definition.function is None:
        return definition
    return replace(definition, function=names[definition.function].hash)


def _changed(function: Function, all_: list[Function], choose: Choices) -> Function:
    """Change one thing about a function."""
    constants = function.constants
    which = choose.below(16)
    if which == 0 and constants:
        at = choose.below(len(constants))
        value = VALUES[choose.below(len(VALUES))]
        return replace(function, constants=(*constants[:at], value, *constants[at + 1 :]))
    if which == 1:
        return replace(function, captures=choose.below(4))
    if which == 2 and function.functions:
        at = choose.below(len(function.functions))
        other = function.functions[choose.below(len(function.functions))]
        nested = (*function.functions[:at], other, *function.functions[at + 1 :])
        return replace(function, functions=nested)
    if which == 3:
        return replace(function, flags=frozenset({"sealed"}) ^ function.flags)
    if which in (4, 5, 6):  # a call of any native in any place
        calls = _calls()
        constants = (*constants, calls[choose.below(len(calls))])
        function = replace(function, constants=constants)
    at = choose.below(len(function.bodies))
    body = _changed_body(function, function.bodies[at], which, choose)
    return replace(function, bodies=(*function.bodies[:at], body, *function.bodies[at + 1 :]))


def _changed_body(function: Function, body: Body, which: int, choose: Choices) -> Body:
    code = list(body.instructions)
    at = choose.below(len(code))
    if which in (4, 5, 6):
        call = (Op.NATIVE, len(function.constants) - 1)
        if which == 4:
            code[at] = call
            return replace(body, instructions=tuple(code))
        # Straight code in front: values of any kind, a native of them, and its result dropped.
        count = function.constants[-1][1]
        pushes = [_push(function, body, choose) for _ in range(count)]
        return _put(body, 0 if which == 6 else at, [*pushes, call, (Op.POP, 0)])
    if which == 7:
        op, operand = tuple(Op)[choose.below(len(Op))], choose.below(5)
        count = 1 + choose.below(3)
        pushes = [_push(function, body, choose) for _ in range(count)]
        drops = [(Op.POP, 0)] * max(0, count - op.pops(operand) + op.pushes(operand))
        return _put(body, at, [*pushes, (op, operand), *drops])
    if which == 8 and body.handlers:
        rows = list(body.handlers)
        row = choose.below(len(rows))
        rows[row] = _handler(rows[row], choose)
        return replace(body, handlers=tuple(rows))
    if which == 9 and body.tables:
        keys = tuple(choose.below(len(function.constants)) for _ in body.tables[0].keys)
        table = CaseTable(keys, body.tables[0].targets, body.tables[0].default)
        return replace(body, tables=(table, *body.tables[1:]))
    if which == 10:
        return replace(body, locals=max(0, body.locals + choose.below(3) - 1))
    if which == 11:
        return replace(body, variadic=not body.variadic)
    if which == 12:
        return replace(body, parameters=choose.below(3))
    op, operand = code[at]
    if which == 13:
        other = choose.below(len(code))
        code[at], code[other] = code[other], code[at]
    elif which == 14:
        like = [
            each for each in Op
            if (each.pops(operand), each.pushes(operand)) == (op.pops(operand), op.pushes(operand))
        ]  # fmt: skip
        code[at] = (like[choose.below(len(like))], operand)
    else:
        code[at] = (op, choose.below(max(6, len(function.constants), len(code))))
    return replace(body, instructions=tuple(code))


def _push(function: Function, body: Body, choose: Choices) -> tuple[Op, int]:
    """Return an instruction that pushes something."""
    kind, which = choose.below(6), choose.below(32)
    if kind == 0 and body.locals:
        return Op.LOCAL, which % body.locals
    if kind == 1:
        return Op.SELF, 0
    if kind == 2 and function.captures:
        return Op.CAPTURED, which % function.captures
    if kind == 3:
        return Op.VECTOR, 0
    return Op.CONST, which % len(function.constants) if function.constants else 0


def _handler(row: Handler, choose: Choices) -> Handler:
    field = choose.below(6)
    value = choose.below(24)
    if field == 4:
        return row._replace(kind=tuple(HandlerKind)[value % len(HandlerKind)])
    return row._replace(**{("start", "end", "target", "depth", "kind", "operand")[field]: value})


_GOES = frozenset({Operand.TARGET, Operand.BACK})


def _put(body: Body, at: int, more: list[tuple[Op, int]]) -> Body:
    """Put instructions in front of one, and let all that leads somewhere lead there still."""
    by = len(more)

    def moved(pc: int) -> int:
        return pc + by if pc > at else pc

    code = [
        (op, moved(operand) if op.operand in _GOES else operand)
        for op, operand in body.instructions
    ]
    return replace(
        body,
        instructions=(*code[:at], *more, *code[at:]),
        handlers=tuple(
            row._replace(start=moved(row.start), end=moved(row.end), target=moved(row.target))
            for row in body.handlers
        ),
        tables=tuple(
            CaseTable(table.keys, tuple(map(moved, table.targets)), moved(table.default))
            for table in body.tables
        ),
        positions=(),
    )


def run_verified(data: bytes) -> bool:
    """Run a mutant if the verifier accepts it; say whether it did.

    Every turn ends within its fuel, and the machine can be saved and read again after it.
    """
    try:
        program = mutant(data)
        read_program(write_program(Program("user", (_changed_module(program),))))
    except ProgramError:
        return False
    image = Image(program, natives())
    try:
        machine = vm.start(image, "user/main", [1], RunId("fuzz"))
    except RunError:
        return False
    machine.limits = Limits(frames=200)
    for _ in range(6):
        turn = vm.run(machine, FUEL)
        machine = _through_bytes(machine, image)
        machine.limits = Limits(frames=200)
        if turn.status is not MachineStatus.WAITING:
            break
        for number in list(machine.open):
            vm.deliver(machine, vm.EffectResult(number, 1), 0, number)
    return True


def _changed_module(program: Program) -> Module:
    return next(module for module in program.modules if module.name == "user")


def _through_bytes(machine: vm.Machine, image: Image) -> vm.Machine:
    saved = encode(machine)
    back = decode(saved.data, image, lambda names: {name: saved.chunks[name] for name in names})
    assert encode(back).data == saved.data
    return back


def with_main(main: Function) -> Program:
    """Return a program whose one function of its own is ``main``."""
    program = original()
    module = _changed_module(program)
    definition = next(each for each in module.definitions if each.name == "user/main")
    made = module._replace(
        functions=(main,), definitions=(replace(definition, function=main.hash),)
    )
    others = (each for each in program.modules if each is not module)
    return replace(program, modules=(*others, made))
