"""THE instruction table. Everything else about instructions is derived from it.

The machine has, per fiber, a stack of frames. A frame runs one *body* of a
*function* and holds a program counter, its local slots and an operand stack.
The program counter is an index into the body's instructions; a jump target is
such an index too.

How to read a row: number, what the operand indexes, the stack picture
"before -- after" and the meaning. In a picture ``x*`` stands for as many values
as the operand says (``CALL 2`` takes a function and two arguments; ``MAP 3``
takes three pairs, written ``pair*``, two values each; ``CLOSURE k`` takes as
many as function k captures; ``NATIVE k`` as many as the native call at k has
arguments; ``BIND k`` as many as name list k has names). A row whose picture
ends in ``!`` never falls through to the next instruction.

Numbers are for ever: a row may be added, never reused or renumbered.
"""

from __future__ import annotations

from enum import Enum


class Operand(Enum):
    """What an instruction's operand is an index into, or a count of."""

    NONE = "none"
    CONSTANT = "constant"  # body-independent pool of the function
    LOCAL = "local"  # slot of the frame
    CAPTURE = "capture"  # captured value of the closure
    NAME = "name"  # constant: the full name of a var, a string "ns/name"
    NAMES = "names"  # constant: a vector of full names of vars
    KIND = "kind"  # constant: the kind of an effect, a string
    NATIVE = "native"  # constant: a vector [name argument-count]
    FUNCTION = "function"  # nested function of the function
    COUNT = "count"
    TARGET = "target"  # instruction index, forward
    BACK = "back"  # instruction index, backward
    TABLE = "table"  # case table of the body


def _width(side: str) -> tuple[int, int]:
    """Return how many values one side of a picture is, and how many more for each counted one."""
    words = side.split()
    counted = [word for word in words if word.endswith("*")]
    return len(words) - len(counted), sum(2 if word == "pair*" else 1 for word in counted)


class Op(Enum):
    """The instructions."""

    # fmt: off
    #               code  operand           stack picture                meaning
    CONST         = (0x01, Operand.CONSTANT, "-- value",                  "Push constant k.")
    LOCAL         = (0x02, Operand.LOCAL,    "-- value",                  "Push local n.")
    SET_LOCAL     = (0x03, Operand.LOCAL,    "value --",                  "Store into local n.")
    CAPTURED      = (0x04, Operand.CAPTURE,  "-- value",                  "Push captured value n of the running closure.")
    SELF          = (0x05, Operand.NONE,     "-- fn",                     "Push the running closure.")
    VAR           = (0x06, Operand.NAME,     "-- value",                  "Push the value of a var that is not dynamic.")
    DYNAMIC       = (0x07, Operand.NAME,     "-- value",                  "Push the value of a dynamic var: the fiber's binding, else its root.")
    POP           = (0x08, Operand.NONE,     "value --",                  "Drop the top.")
    DUP           = (0x09, Operand.NONE,     "value -- value value",      "Push the top again.")
    JUMP          = (0x10, Operand.TARGET,   "-- !",                      "Go on at a later instruction.")
    JUMP_IF_FALSE = (0x11, Operand.TARGET,   "test --",                   "Jump if the top is nil or false.")
    LOOP          = (0x12, Operand.BACK,     "-- !",                      "Go on at an earlier instruction; costs fuel.")
    CASE          = (0x13, Operand.TABLE,    "value -- !",                "Jump to the target that case table n has for the value, else to its default.")
    CALL          = (0x20, Operand.COUNT,    "fn arg* -- result",         "Call with n arguments; costs fuel.")
    TAIL_CALL     = (0x21, Operand.COUNT,    "fn arg* -- !",              "Call in place of this frame; costs fuel.")
    APPLY         = (0x22, Operand.COUNT,    "fn arg* seq -- result",     "Call with n arguments and those in the sequence; costs fuel.")
    TAIL_APPLY    = (0x23, Operand.COUNT,    "fn arg* seq -- !",          "The same in place of this frame.")
    RETURN        = (0x24, Operand.NONE,     "value -- !",                "Leave the frame with its result.")
    CLOSURE       = (0x25, Operand.FUNCTION, "captured* -- fn",           "Make a closure of nested function k.")
    PATCH         = (0x26, Operand.CAPTURE,  "fn value -- fn",            "Set captured value n of a closure made by letfn*.")
    NATIVE        = (0x27, Operand.NATIVE,   "arg* -- result",            "Call a native function by name.")
    THROW         = (0x30, Operand.NONE,     "error -- value",             "Raise an error; a revival may put a value in its place.")
    END_FINALLY   = (0x31, Operand.NONE,     "result pending -- result",  "End a finally block: go on unwinding if an unwinding is pending, else go on with the result.")
    PERFORM       = (0x38, Operand.KIND,     "args -- result",            "Ask the world for an effect and wait.")
    DEF           = (0x40, Operand.NAME,     "value -- var",              "Give a var its root value.")
    SET_VAR       = (0x41, Operand.NAME,     "value -- value",            "Change the innermost binding of a dynamic var.")
    BIND          = (0x42, Operand.NAMES,    "value* --",                 "Begin bindings of dynamic vars in this fiber.")
    UNBIND        = (0x43, Operand.NONE,     "--",                        "End the innermost bindings.")
    WRITE         = (0x44, Operand.NONE,     "text -- nil",               "Append text to the output of the run.")
    ADD           = (0x50, Operand.NONE,     "a b -- sum",                "a + b")
    SUB           = (0x51, Operand.NONE,     "a b -- difference",         "a - b")
    MUL           = (0x52, Operand.NONE,     "a b -- product",            "a * b")
    LT            = (0x53, Operand.NONE,     "a b -- bool",               "a < b")
    LE            = (0x54, Operand.NONE,     "a b -- bool",               "a <= b")
    GT            = (0x55, Operand.NONE,     "a b -- bool",               "a > b")
    GE            = (0x56, Operand.NONE,     "a b -- bool",               "a >= b")
    EQ            = (0x57, Operand.NONE,     "a b -- bool",               "a = b, as the language's = does")
    INC           = (0x58, Operand.NONE,     "a -- number",               "a + 1")
    DEC           = (0x59, Operand.NONE,     "a -- number",               "a - 1")
    NOT           = (0x5A, Operand.NONE,     "a -- bool",                 "true if a is nil or false")
    IS_NIL        = (0x5B, Operand.NONE,     "a -- bool",                 "true if a is nil")
    VECTOR        = (0x60, Operand.COUNT,    "item* -- vector",           "Make a vector of n items.")
    MAP           = (0x61, Operand.COUNT,    "pair* -- map",              "Make a map of n pairs, key below value; a later equal key wins.")
    SET           = (0x62, Operand.COUNT,    "item* -- set",              "Make a set of n items.")
    # fmt: on

    def __init__(self, number: int, operand: Operand, picture: str, meaning: str) -> None:
        self.number = number
        self.operand = operand
        self.picture = picture
        self.meaning = meaning
        self.falls_through = not picture.endswith("!")
        """Whether the next instruction may be executed after this one."""
        before, after = picture.removesuffix("!").split("--")
        self._pops = _width(before)
        self._pushes = _width(after)

    def pops(self, count: int) -> int:
        """Return how many values it takes when ``x*`` stands for ``count``."""
        fixed, more = self._pops
        return fixed + more * count

    def pushes(self, count: int) -> int:
        """Return how many values it leaves when ``x*`` stands for ``count``."""
        fixed, more = self._pushes
        return fixed + more * count


BY_NUMBER: dict[int, Op] = {op.number: op for op in Op}
