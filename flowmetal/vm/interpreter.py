"""The reference tier: one loop, one branch per instruction.

``execute`` runs one fiber until it waits, ends, fails, or its fuel is used up.
The loop holds the running frame's code, stack and pc in Python locals and
writes the pc back whenever it leaves the frame. Branches stand in the order of
how often they are taken.

The rule that makes snapshots and errors simple: **an instruction changes
nothing before it has succeeded**. Operands are read in place and dropped
afterwards, so an instruction that meets an unrealised sequence, an error or
the end of fuel can be executed again, and the pc of a frame that raised stands
at the instruction that raised.

Number operators take the short way for two ints and leave everything else to
``values.numbers``. Fuel is counted at calls and at loop edges, and what an
instruction has charged for large operands (``values.meter``) is taken off it as
soon as the instruction is done; so fuel may go below 0.
"""

from __future__ import annotations

from flowmetal.bytecode.opcodes import Op
from flowmetal.values import (
    Cons,
    FlowError,
    Keyword,
    LazySeq,
    OrderedByFunction,
    Realise,
    Unrealised,
    Value,
    add,
    dec,
    equal,
    ge,
    gt,
    hash_map,
    inc,
    key_of,
    le,
    lt,
    mul,
    next_,
    set_of,
    sub,
    vector,
)
from flowmetal.values.literals import element_twice, key_twice
from flowmetal.values.meter import new_meter, taken
from flowmetal.vm.calls import apply_value, by_order, call_value
from flowmetal.vm.effects import perform
from flowmetal.vm.fibers import Suspended
from flowmetal.vm.link import (
    LOCAL_WITH,
    LOCAL_WITH_JUMP,
    NATIVE_OF_MACHINE,
    NATIVE_OF_SEQ,
    STOP,
    Instruction,
)
from flowmetal.vm.misuse import CRASHES, misused, patch, refuse_text
from flowmetal.vm.returning import finish_frame, realise
from flowmetal.vm.state import Closure, Fiber, FiberStatus, Frame, Machine, Pending, Retry
from flowmetal.vm.unwinding import (
    check_cancellation,
    go_to,
    raise_error,
    thrown,
    too_deep,
    unwind,
)
from flowmetal.vm.vars import bind, define, dynamic_value, set_binding, unbind, unbound

_CONST = Op.CONST.number
_LOCAL = Op.LOCAL.number
_SET_LOCAL = Op.SET_LOCAL.number
_CAPTURED = Op.CAPTURED.number
_SELF = Op.SELF.number
_VAR = Op.VAR.number
_DYNAMIC = Op.DYNAMIC.number
_POP = Op.POP.number
_DUP = Op.DUP.number
_JUMP = Op.JUMP.number
_JUMP_IF_FALSE = Op.JUMP_IF_FALSE.number
_LOOP = Op.LOOP.number
_CASE = Op.CASE.number
_CALL = Op.CALL.number
_TAIL_CALL = Op.TAIL_CALL.number
_APPLY = Op.APPLY.number
_TAIL_APPLY = Op.TAIL_APPLY.number
_RETURN = Op.RETURN.number
_CLOSURE = Op.CLOSURE.number
_PATCH = Op.PATCH.number
_NATIVE = Op.NATIVE.number
_THROW = Op.THROW.number
_END_FINALLY = Op.END_FINALLY.number
_PERFORM = Op.PERFORM.number
_DEF = Op.DEF.number
_SET_VAR = Op.SET_VAR.number
_BIND = Op.BIND.number
_UNBIND = Op.UNBIND.number
_WRITE = Op.WRITE.number
_ADD = Op.ADD.number
_SUB = Op.SUB.number
_MUL = Op.MUL.number
_LT = Op.LT.number
_LE = Op.LE.number
_GT = Op.GT.number
_GE = Op.GE.number
_EQ = Op.EQ.number
_INC = Op.INC.number
_DEC = Op.DEC.number
_NOT = Op.NOT.number
_IS_NIL = Op.IS_NIL.number
_VECTOR = Op.VECTOR.number
_MAP = Op.MAP.number
_SET = Op.SET.number


class OneShot:
    """Code that gives one real instruction and stops from then on."""

    __slots__ = ("real", "spent", "stops")

    def __init__(self, real: list[Instruction], stops: list[Instruction]) -> None:
        self.real = real
        self.stops = stops
        self.spent = False

    def __getitem__(self, pc: int) -> Instruction:
        if self.spent:
            return self.stops[pc]
        self.spent = True
        return self.real[pc]


def execute(machine: Machine, fiber: Fiber, fuel: int) -> int:
    """Run ``fiber`` until it is no longer ready or ``fuel`` is 0; return what is left.

    Whatever an instruction is charged for is taken off before the next one that looks at the
    fuel, so that it does not matter to anything where a slice ends.
    """
    frames = fiber.frames
    variables = machine.globals
    due = new_meter(machine.limits).due
    value: Value
    while True:
        frame = frames[-1]
        code = frame.body.code
        stack = frame.stack
        pc = frame.pc
        try:
            while True:
                op, arg = code[pc]
                pc += 1

                # -- what programs mostly consist of

                if op == _LOCAL:
                    stack.append(stack[arg])
                elif op == _CONST:
                    stack.append(arg)
                elif op == _JUMP_IF_FALSE:
                    test = stack.pop()
                    if test is False or test is None:
                        pc = arg
                elif op >= _ADD:
                    if op == LOCAL_WITH_JUMP:
                        slot, constant, function, target = arg
                        a = stack[slot]
                        if type(a) is int:
                            pc = pc + 3 if function(a, constant) else target
                        else:
                            stack.append(a)
                    elif op == LOCAL_WITH:
                        slot, constant, function = arg
                        a = stack[slot]
                        if type(a) is int and -_FAST < a < _FAST:
                            stack.append(function(a, constant))
                            pc += 2
                        else:
                            stack.append(a)
                    elif op == NATIVE_OF_SEQ:
                        # The cell it needs is realised without an exception on the way.
                        a = stack[-1]
                        if type(a) is Cons and arg[0] is next_:
                            a = a.rest
                        if type(a) is not LazySeq or a.thunk is None:
                            stack[-1] = arg[0](stack[-1])
                            if due:
                                fuel -= taken(due)
                        elif type(a.thunk) is Closure and 0 in a.thunk.function.by_count:
                            frame.pc = pc - 1
                            thunk_body = a.thunk.function.by_count[0]
                            stack = [None] * thunk_body.slots
                            frame = Frame(thunk_body, stack, a.thunk, Retry([a]))
                            frames.append(frame)
                            code = thunk_body.code
                            pc = 0
                        else:
                            raise Unrealised(a, Realise.STEP)
                    elif op == _LT:
                        a, b = stack[-2], stack[-1]
                        if type(a) is int and type(b) is int:
                            value = a < b
                        else:
                            value = lt(a, b)
                            if due:
                                fuel -= taken(due)
                        stack.pop()
                        stack[-1] = value
                    elif op == _ADD:
                        a, b = stack[-2], stack[-1]
                        if type(a) is int and type(b) is int:
                            value = a + b
                            if not -_FAST < value < _FAST:
                                value = add(a, b)
                        else:
                            value = add(a, b)
                            if due:
                                fuel -= taken(due)
                        stack.pop()
                        stack[-1] = value
                    elif op == _SUB:
                        a, b = stack[-2], stack[-1]
                        if type(a) is int and type(b) is int:
                            value = a - b
                            if not -_FAST < value < _FAST:
                                value = sub(a, b)
                        else:
                            value = sub(a, b)
                            if due:
                                fuel -= taken(due)
                        stack.pop()
                        stack[-1] = value
                    elif op == _EQ:
                        a, b = stack[-2], stack[-1]
                        if (type(a) is int and type(b) is int) or (
                            type(a) is str and type(b) is str
                        ):
                            value = a == b
                        else:
                            value = a is b if type(a) is Keyword else equal(a, b)
                            if due:
                                fuel -= taken(due)
                        stack.pop()
                        stack[-1] = value
                    elif op == _INC:
                        a = stack[-1]
                        if type(a) is int and a < _FAST:
                            stack[-1] = a + 1
                        else:
                            stack[-1] = inc(a)
                            if due:
                                fuel -= taken(due)
                    elif op == _IS_NIL:
                        stack[-1] = stack[-1] is None
                    elif op == _NOT:
                        a = stack[-1]
                        stack[-1] = a is None or a is False
                    elif op == _DEC:
                        a = stack[-1]
                        if type(a) is int and a > -_FAST:
                            stack[-1] = a - 1
                        else:
                            stack[-1] = dec(a)
                            if due:
                                fuel -= taken(due)
                    elif op == _GT:
                        a, b = stack[-2], stack[-1]
                        if type(a) is int and type(b) is int:
                            value = a > b
                        else:
                            value = gt(a, b)
                            if due:
                                fuel -= taken(due)
                        stack.pop()
                        stack[-1] = value
                    elif op == _LE:
                        a, b = stack[-2], stack[-1]
                        if type(a) is int and type(b) is int:
                            value = a <= b
                        else:
                            value = le(a, b)
                            if due:
                                fuel -= taken(due)
                        stack.pop()
                        stack[-1] = value
                    elif op == _GE:
                        a, b = stack[-2], stack[-1]
                        if type(a) is int and type(b) is int:
                            value = a >= b
                        else:
                            value = ge(a, b)
                            if due:
                                fuel -= taken(due)
                        stack.pop()
                        stack[-1] = value
                    elif op == _MUL:
                        value = mul(stack[-2], stack[-1])
                        stack.pop()
                        stack[-1] = value
                        if due:
                            fuel -= taken(due)
                    elif op == _VECTOR:
                        base = len(stack) - arg
                        items = stack[base:]
                        del stack[base:]
                        stack.append(vector(items))
                    elif op == _MAP:
                        base = len(stack) - 2 * arg
                        flat = stack[base:]
                        value = hash_map(zip(flat[::2], flat[1::2], strict=True))
                        if len(value) != arg:
                            raise key_twice(flat[::2])
                        del stack[base:]
                        stack.append(value)
                        if due:
                            fuel -= taken(due)
                    elif op == _SET:
                        base = len(stack) - arg
                        value = set_of(stack[base:])
                        if len(value) != arg:
                            raise element_twice(stack[base:])
                        del stack[base:]
                        stack.append(value)
                        if due:
                            fuel -= taken(due)
                    elif op == NATIVE_OF_MACHINE:
                        frame.pc = pc - 1  # what it spawns remembers where
                        native, count = arg
                        base = len(stack) - count
                        value = native(machine, fiber, *stack[base:])
                        del stack[base:]
                        stack.append(value)
                        if due:
                            fuel -= taken(due)
                    elif op == STOP:
                        if machine.steps <= 0:
                            frame.pc = pc - 1
                            return fuel
                        machine.steps -= 1
                        code = OneShot(arg, frame.body.code)  # type: ignore[assignment]
                        pc -= 1
                    else:
                        raise AssertionError(f"operator {op:#x} has no branch")
                elif op == _CALL:
                    if fuel <= 0:
                        frame.pc = pc - 1
                        return fuel
                    base = len(stack) - arg
                    callee = stack[base - 1]
                    body = callee.function.by_count.get(arg) if type(callee) is Closure else None
                    if body is not None:
                        fuel -= 1
                        arguments = stack[base:]
                        del stack[base - 1 :]
                        if body.slots:
                            arguments += [None] * body.slots
                        frame.pc = pc
                        frame = Frame(body, arguments, callee)
                        frames.append(frame)
                        code = body.code
                        stack = arguments
                        pc = 0
                    else:
                        called = call_value(machine, fiber, callee, stack[base:])
                        fuel -= 1 + taken(due) if due else 1
                        del stack[base - 1 :]
                        if type(called) is Frame:
                            frame.pc = pc
                            frames.append(called)
                            frame = called
                            code = frame.body.code
                            stack = frame.stack
                            pc = 0
                        else:
                            stack.append(called)
                elif op == _NATIVE:
                    native, count = arg
                    if count == 1:
                        stack[-1] = native(stack[-1])
                    elif count == 2:
                        value = native(stack[-2], stack[-1])
                        stack.pop()
                        stack[-1] = value
                    elif count == 0:
                        stack.append(native())
                    else:
                        value = native(*stack[-count:])
                        del stack[-count:]
                        stack.append(value)
                    if due:
                        fuel -= taken(due)
                elif op == _RETURN:
                    value = stack[-1]
                    then = frame.then
                    if then is None:
                        frames.pop()
                        frame = frames[-1]
                        code = frame.body.code
                        stack = frame.stack
                        pc = frame.pc
                        stack.append(value)
                    elif type(then) is Retry and (type(value) is Cons or value is None):
                        for cell in then.cells:
                            cell.thunk = None
                            cell.value = value
                        frames.pop()
                        frame = frames[-1]
                        code = frame.body.code
                        stack = frame.stack
                        pc = frame.pc
                    else:
                        frame.pc = pc - 1
                        finish_frame(machine, fiber, frame, value)
                        if due:
                            fuel -= taken(due)
                        if fiber.status is not FiberStatus.READY:
                            return fuel
                        frame = frames[-1]
                        code = frame.body.code
                        stack = frame.stack
                        pc = frame.pc
                elif op == _VAR:
                    if arg in variables:
                        stack.append(variables[arg])
                    else:
                        raise unbound(arg)
                elif op == _SET_LOCAL:
                    stack[arg] = stack.pop()
                elif op == _LOOP:
                    if fuel <= 0:
                        frame.pc = pc - 1
                        return fuel
                    fuel -= 1
                    pc = arg
                elif op == _TAIL_CALL:
                    if fuel <= 0:
                        frame.pc = pc - 1
                        return fuel
                    base = len(stack) - arg
                    callee = stack[base - 1]
                    body = callee.function.by_count.get(arg) if type(callee) is Closure else None
                    if body is not None:
                        fuel -= 1
                        arguments = stack[base:]
                        if body.slots:
                            arguments += [None] * body.slots
                        frame.history = frame.history_with(pc - 1)
                        frame.body = body
                        frame.closure = callee
                        frame.stack = stack = arguments
                        frame.dropped += 1
                        code = body.code
                        pc = 0
                    else:
                        called = call_value(machine, fiber, callee, stack[base:])
                        fuel -= 1 + taken(due) if due else 1
                        if type(called) is Frame:
                            frame.replaced_by(called, pc - 1)
                            frames[-1] = frame = called
                        else:
                            frame.pc = pc - 1
                            if frame.then is None:
                                frames.pop()
                                frame = frames[-1]
                                frame.stack.append(called)
                            else:
                                finish_frame(machine, fiber, frame, called)
                                if due:
                                    fuel -= taken(due)
                                if fiber.status is not FiberStatus.READY:
                                    return fuel
                                frame = frames[-1]
                        code = frame.body.code
                        stack = frame.stack
                        pc = frame.pc
                elif op == _CAPTURED:
                    stack.append(frame.closure.captured[arg])
                elif op == _JUMP:
                    pc = arg
                elif op == _POP:
                    stack.pop()

                # -- the rest

                elif op == _SELF:
                    stack.append(frame.closure)
                elif op == _DUP:
                    stack.append(stack[-1])
                elif op == _CLOSURE:
                    count = arg.function.captures
                    if count:
                        captured = stack[-count:]
                        del stack[-count:]
                        stack.append(Closure(arg, captured))
                    else:
                        stack.append(arg.plain)
                elif op == _DYNAMIC:
                    stack.append(dynamic_value(machine, fiber, arg))
                elif op == _CASE:
                    targets, default = arg
                    pc = targets.get(key_of(stack[-1]), default)
                    stack.pop()
                    if due:
                        fuel -= taken(due)
                elif op in (_APPLY, _TAIL_APPLY):
                    if fuel <= 0:
                        frame.pc = pc - 1
                        return fuel
                    base = len(stack) - arg - 1
                    called = apply_value(machine, fiber, stack[base - 1], stack[base:-1], stack[-1])
                    fuel -= 1 + taken(due) if due else 1
                    if op == _APPLY:
                        del stack[base - 1 :]
                        frame.pc = pc
                        if type(called) is Frame:
                            frames.append(called)
                        else:
                            stack.append(called)
                    elif type(called) is Frame:
                        frame.replaced_by(called, pc - 1)
                        frames[-1] = called
                    else:
                        frame.pc = pc - 1
                        if frame.then is None:
                            frames.pop()
                            frames[-1].stack.append(called)
                        else:
                            finish_frame(machine, fiber, frame, called)
                            if due:
                                fuel -= taken(due)
                            if fiber.status is not FiberStatus.READY:
                                return fuel
                    frame = frames[-1]
                    code = frame.body.code
                    stack = frame.stack
                    pc = frame.pc
                elif op == _PERFORM:
                    frame.pc = pc - 1
                    if fiber.cancels:
                        check_cancellation(machine, fiber)
                    if not perform(machine, fiber, arg, stack[-1]):
                        return fuel
                elif op == _THROW:
                    frame.pc = pc - 1
                    raise thrown(stack[-1])
                elif op == _END_FINALLY:
                    pending = stack[-1]
                    if type(pending) is not Pending:
                        stack.pop()
                    else:
                        frame.pc = pc - 1
                        unwind(machine, fiber, pending.error, pending.frame, pending.handler)
                        if fiber.status is not FiberStatus.READY:
                            return fuel
                        frame = frames[-1]
                        code = frame.body.code
                        stack = frame.stack
                        pc = frame.pc
                elif op == _DEF:
                    stack[-1] = define(machine, arg, stack[-1])
                elif op == _SET_VAR:
                    set_binding(machine, fiber, arg, stack[-1])
                elif op == _BIND:
                    base = len(stack) - len(arg)
                    bind(fiber, arg, stack[base:])
                    del stack[base:]
                elif op == _UNBIND:
                    unbind(fiber)
                elif op == _WRITE:
                    if type(stack[-1]) is not str:
                        refuse_text(stack[-1])
                    machine.output.append(stack[-1])
                    stack[-1] = None
                elif op == _PATCH:
                    patch(stack[-2], arg, stack[-1])
                    stack.pop()
                else:
                    raise AssertionError(f"instruction {op:#x} has no branch")
        except Unrealised as need:
            frame.pc = pc - 1
            try:
                realise(machine, fiber, need)
            except FlowError as error:
                raise_error(machine, fiber, error.error)
        except Suspended as suspended:  # by a native of the machine, which has to wait
            frame.pc = pc - 1
            if suspended.verdict is not None:
                go_to(machine, fiber, suspended.verdict)
        except OrderedByFunction:  # out of a NATIVE: everything else goes through call_value
            count = arg[1]
            native = frame.body.native_at(pc - 1)
            frame.pc = pc
            called = by_order(machine, fiber, native, stack[len(stack) - count :])
            del stack[len(stack) - count :]
            if type(called) is Frame:
                frames.append(called)
            else:
                stack.append(called)
        except FlowError as error:
            frame.pc = pc - 1
            raise_error(machine, fiber, error.error)
        except RecursionError:
            frame.pc = pc - 1
            raise_error(machine, fiber, too_deep().error)
        except CRASHES as crash:
            frame.pc = pc - 1
            raise_error(machine, fiber, misused(machine, frame, crash).error)
        if due:  # an instruction that did not succeed is charged for what it did, too
            fuel -= taken(due)
        if fiber.status is not FiberStatus.READY:
            return fuel


_FAST = 1 << 62
"""Below it, int arithmetic needs no check against the limit of integers."""
