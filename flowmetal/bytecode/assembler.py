"""Text -> function: the inverse of the disassembler, for tests and for the curious.

Constants are written as the language prints them; reading them is the
caller's, who passes ``read`` (the reader is above this package). The
instruction numbers at the beginning of lines are for people and may be left out;
so may everything behind a semicolon that is followed by a blank.
"""

from __future__ import annotations

from collections.abc import Callable

from flowmetal.bytecode.code import Body, CaseTable, Function, Handler, HandlerKind
from flowmetal.bytecode.opcodes import Op, Operand
from flowmetal.errors import ProgramError
from flowmetal.ids import CodeHash
from flowmetal.values import Value


def assemble(text: str, read: Callable[[str], Value]) -> Function:
    """Return the function that a listing describes. Raises ProgramError FM0814, naming the line.

    The function is not verified.
    """
    listing = _Listing(read)
    for number, line in enumerate(text.splitlines(), 1):
        words = _without_note(line).split()
        if not words:
            continue
        try:
            listing.take(words, line)
        except (ValueError, KeyError, IndexError) as error:
            raise ProgramError(
                "FM0814",
                f"line {number} is not part of a listing: {line.strip()}",
                hint="`fmc disasm FILE FUNCTION` shows a listing",
            ) from error
    return listing.function()


def _without_note(line: str) -> str:
    if line.lstrip().startswith(";"):
        return ""
    # A constant may hold semicolons of its own; its line has no notes.
    return line if line.lstrip().startswith("constant ") else line.split("  ; ")[0]


class _Listing:
    """What has been read so far."""

    def __init__(self, read: Callable[[str], Value]) -> None:
        self.read = read
        self.name = ""
        self.captures = 0
        self.flags: set[str] = set()
        self.constants: list[Value] = []
        self.functions: list[CodeHash] = []
        self.bodies: list[_Body] = []

    def take(self, words: list[str], line: str) -> None:
        """Take in one line. Raises ValueError, KeyError or IndexError if it has no meaning."""
        match words:
            case ["function", name] if not self.name:
                self.name = name
            case ["flag", flag]:
                self.flags.add(flag)
            case ["captures", count]:
                self.captures = int(count)
            case ["function", name]:
                self.functions.append(CodeHash(name))
            case ["constant", _, *_]:
                self.constants.append(self.read(line.split(None, 2)[2]))
            case ["body", parameters, "of", count, "locals"]:
                variadic = parameters.endswith("+")
                self.bodies.append(_Body(int(parameters.rstrip("+")), variadic, int(count)))
            case _:
                self.bodies[-1].take(words)

    def function(self) -> Function:
        return Function(
            self.name,
            self.captures,
            tuple(self.constants),
            tuple(self.functions),
            tuple(body.body() for body in self.bodies),
            flags=frozenset(self.flags),
        )


class _Body:
    def __init__(self, parameters: int, variadic: bool, count: int) -> None:
        self.parameters = parameters
        self.variadic = variadic
        self.locals = count
        self.instructions: list[tuple[Op, int]] = []
        self.handlers: list[Handler] = []
        self.tables: list[CaseTable] = []

    def take(self, words: list[str]) -> None:
        match words:
            case ["handler", start, end, "->", target, "depth", depth, kind, operand]:
                self.handlers.append(
                    Handler(
                        int(start),
                        int(end),
                        int(target),
                        int(depth),
                        HandlerKind[kind],
                        int(operand),
                    )
                )
            case ["table", _, *cases, "else", default]:
                pairs = [case.split(":") for case in cases]
                self.tables.append(
                    CaseTable(
                        tuple(int(key) for key, _ in pairs),
                        tuple(int(target) for _, target in pairs),
                        int(default),
                    )
                )
            case _:
                if words[0].isdigit():
                    words = words[1:]
                op = Op[words[0]]
                operands = [int(word) for word in words[1:]]
                if len(operands) != (op.operand is not Operand.NONE):
                    raise ValueError(words)
                self.instructions.append((op, sum(operands)))

    def body(self) -> Body:
        return Body(
            self.parameters,
            self.variadic,
            self.locals,
            tuple(self.instructions),
            tuple(self.handlers),
            tuple(self.tables),
        )
