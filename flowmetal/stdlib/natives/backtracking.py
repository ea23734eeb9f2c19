"""The second matcher of regular expressions: java.util.regex by backtracking, within a bound.

RE2 takes every expression that it can (regex.py); this file takes the others:
back references, look-around, possessive and atomic groups, and what Java means
differently at ends of lines. A tree (regex_parsing.py) becomes a short program, which
is run with a stack of choices of its own: no Python frame stands for a
character, a group or a choice.

Backtracking can take time that grows exponentially with the text. Every
instruction is counted, and a search that needs more than ``STEPS`` plus
``STEPS_PER_CHARACTER`` for each character, or ``MOST_STEPS``, ends in ``:limit/regex``. The count depends on
expression and text alone, so a run that fails so fails so everywhere.

Registers hold where groups begin and end, where a loop's turn began, how often
it has turned, how high the stack was. Each change is put on a trail; to go back is to
undo the trail down to where the choice was made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from flowmetal.stdlib.natives.regex_parsing import (
    ENDLESS,
    At,
    Atomic,
    Back,
    Choice,
    Group,
    Look,
    Node,
    One,
    Repeat,
    Sequence,
    Tree,
    Wrong,
    width,
)
from flowmetal.values import fail, pr_str
from flowmetal.values.meter import charge

STEPS = 1_000_000
STEPS_PER_CHARACTER = 200
MOST_STEPS = 20_000_000
"""Some four seconds, in which no other run of the interpreter goes on; a lease is ten."""

_LONGEST_PROGRAM = 20_000

_CHAR = 0  # set
_JUMP = 1  # target
_SPLIT = 2  # where to go first, where to go if that fails
_SAVE = 3  # register: keeps the position
_RUN = 4  # set, least, most, mode: a repeated character
_BACK = 5  # group, ignore case
_AT = 6  # place
_MARK = 7  # register: keeps the height of the stack
_CUT = 8  # register: drops the choices made since
_RETURN = 9  # register: goes back to the position it keeps
_REFUSE = 10  # register: drops the choices since, undoes, and fails
_BEHIND = 11  # least, most, register of the position: tries each place to begin at
_ARRIVED = 12  # register: fails unless the position is the one it keeps
_MOVED = 13  # register, target: leaves a loop whose turn took nothing
_ZERO = 14  # register: starts a count
_COUNT = 15  # register, least, most, mode, body: one more turn, or leave
_MATCH = 16

Instruction: TypeAlias = tuple[Any, ...]


class Match:
    """Where an expression matched."""

    __slots__ = ("_groups", "_names", "_registers", "_text")

    def __init__(self, text: str, registers: list[int], groups: int, names: dict[str, int]) -> None:
        self._text = text
        self._registers = registers
        self._groups = groups
        self._names = names

    def group(self, index: int = 0) -> str | None:
        """Return what a group matched."""
        start, end = self._registers[2 * index], self._registers[2 * index + 1]
        return self._text[start:end] if start >= 0 and end >= 0 else None

    def groups(self) -> tuple[str | None, ...]:
        """Return what all groups matched."""
        return tuple(map(self.group, range(1, self._groups + 1)))

    def groupdict(self) -> dict[str, str | None]:
        """Return what the named groups matched."""
        return {name: self.group(number) for name, number in self._names.items()}

    def start(self) -> int:
        """Return where the match begins."""
        return self._registers[0]

    def end(self) -> int:
        """Return where the match ends."""
        return self._registers[1]


class Backtracking:
    """An expression ready to be matched."""

    def __init__(self, pattern: str, tree: Tree) -> None:
        """Compile a tree. Raises Wrong if the program would be too long."""
        self._pattern = pattern
        self._tree = tree
        made = _Compiler(tree)
        self._code = made.code
        self._registers = made.registers
        self._first = made.first

    def search(self, text: str) -> Match | None:
        """Return the first match."""
        return self._search(text, 0, [self._budget(text)])

    def fullmatch(self, text: str) -> Match | None:
        """Return the match of the whole text."""
        return self._match(text, 0, True, [self._budget(text)], 0)

    def finditer(self, text: str) -> Iterator[Match]:
        """Yield the matches from left to right that do not overlap."""
        left = [self._budget(text)]
        at = 0
        while at <= len(text):
            found = self._search(text, at, left)
            if found is None:
                return
            yield found
            at = found.end() + (found.end() == found.start())

    def _budget(self, text: str) -> int:
        return min(STEPS + STEPS_PER_CHARACTER * len(text), MOST_STEPS)

    def _search(self, text: str, start: int, left: list[int]) -> Match | None:
        first = self._first
        for at in range(start, len(text) + 1):
            if first is not None and (at == len(text) or text[at] not in first):
                continue
            found = self._match(text, at, False, left, start)
            if found is not None:
                return found
        return None

    def _match(
        self, text: str, start: int, whole: bool, left: list[int], searched_from: int
    ) -> Match | None:
        code = self._code
        registers = [-1] * self._registers
        stack: list[Instruction] = []
        trail: list[tuple[int, int]] = []
        length = len(text)
        pc, at = 0, start
        steps = left[0]
        while True:
            steps -= 1
            if steps < 0:
                self._too_long(text)
            instruction = code[pc]
            op = instruction[0]
            if op == _CHAR:
                if at < length and text[at] in instruction[1]:
                    pc += 1
                    at += 1
                    continue
            elif op == _RUN:
                _, chars, least, most, mode = instruction
                end = length if most == ENDLESS else min(length, at + most)
                stop = at + least if mode == "?" else end
                low = at + least
                while at < stop and at < length and text[at] in chars:
                    at += 1
                steps -= max(0, at - low)
                if at >= low:
                    pc += 1
                    if mode == "?":
                        if at < end:
                            stack.append((pc, at, len(trail), chars, end))
                    elif mode == "" and at > low:
                        stack.append((pc, at, len(trail), None, low))
                    continue
            elif op == _SPLIT:
                stack.append((instruction[2], at, len(trail)))
                pc = instruction[1]
                continue
            elif op == _SAVE:
                register = instruction[1]
                trail.append((register, registers[register]))
                registers[register] = at
                pc += 1
                continue
            elif op == _JUMP:
                pc = instruction[1]
                continue
            elif op == _AT:
                if _is_at(instruction[1], text, at, searched_from):
                    pc += 1
                    continue
            elif op == _BACK:
                begin, end = registers[2 * instruction[1]], registers[2 * instruction[1] + 1]
                if begin >= 0 and end >= 0:
                    wanted, found = text[begin:end], text[at : at + end - begin]
                    steps -= end - begin
                    if wanted == found or (instruction[2] and wanted.lower() == found.lower()):
                        at += end - begin
                        pc += 1
                        continue
            elif op == _MARK:
                register = instruction[1]
                trail.append((register, registers[register]))
                registers[register] = len(stack)
                pc += 1
                continue
            elif op == _CUT:
                del stack[registers[instruction[1]] :]
                pc += 1
                continue
            elif op == _RETURN:
                at = registers[instruction[1]]
                pc += 1
                continue
            elif op == _REFUSE:
                del stack[registers[instruction[1]] :]
            elif op == _BEHIND:
                _, least, most = instruction
                furthest = at if most == ENDLESS else min(most, at)
                steps -= max(0, furthest - least)
                for back in range(furthest, least, -1):
                    stack.append((pc + 1, at - back, len(trail)))
                if at >= least:
                    at -= least
                    pc += 1
                    continue
            elif op == _ARRIVED:
                if at == registers[instruction[1]]:
                    pc += 1
                    continue
            elif op == _MOVED:
                pc = instruction[2] if at == registers[instruction[1]] else pc + 1
                continue
            elif op == _ZERO:
                register = instruction[1]
                trail.append((register, registers[register]))
                registers[register] = 0
                pc += 1
                continue
            elif op == _COUNT:
                _, register, least, most, mode, body = instruction
                count = registers[register]
                if count < least:
                    into = body
                elif most != ENDLESS and count >= most:
                    into = -1
                elif mode == "?":
                    stack.append((-1, at, len(trail), register, pc))
                    into = -1
                else:
                    stack.append((pc + 1, at, len(trail)))
                    into = body
                if into >= 0:
                    trail.append((register, count))
                    registers[register] = count + 1
                    pc = into
                else:
                    pc += 1
                continue
            elif not whole or at == length:
                charge((left[0] - steps) >> 3)
                left[0] = steps
                return Match(text, registers, self._tree.groups, self._tree.names)
            # What was tried does not lead on: back to the last choice.
            if not stack:
                charge((left[0] - steps) >> 3)
                left[0] = steps
                return None
            choice = stack.pop()
            mark = choice[2]
            while len(trail) > mark:
                register, value = trail.pop()
                registers[register] = value
            pc, at = choice[0], choice[1]
            if len(choice) > 3:
                if pc < 0:  # one more turn of a reluctant loop
                    register, turn = choice[3], choice[4]
                    trail.append((register, registers[register]))
                    registers[register] += 1
                    pc = code[turn][5]
                elif choice[3] is None:  # one character less
                    at -= 1
                    if at > choice[4]:
                        stack.append((pc, at, mark, None, choice[4]))
                elif text[at] in choice[3]:  # one more
                    at += 1
                    if at < choice[4]:
                        stack.append((pc, at, mark, choice[3], choice[4]))
                else:
                    pc = self._failing
        raise AssertionError("a program ends with MATCH")

    @property
    def _failing(self) -> int:
        return len(self._code) - 1

    def _too_long(self, text: str) -> None:
        fail(
            "FM0521",
            "limit/regex",
            f"matching {pr_str(self._pattern)} takes more than {self._budget(text):,} steps "
            f"on a text of {len(text):,} characters",
        )


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] == "_")


_LINE_ENDS = "\n\r\x85\u2028\u2029"


def _at_last_line_end(text: str, at: int) -> bool:
    if at == len(text):
        return True
    if at == len(text) - 1:
        return text[at] in _LINE_ENDS and not (text[at] == "\n" and at and text[at - 1] == "\r")
    return at == len(text) - 2 and text[at:] == "\r\n"


def _is_at(place: str, text: str, at: int, searched_from: int) -> bool:
    if place in ("^", "A"):
        return at == 0
    if place == "^m":
        before = text[at - 1] if at else ""
        if at == 0:
            return True
        return at < len(text) and before in _LINE_ENDS and text[at - 1 : at + 1] != "\r\n"
    if place in ("$", "Z"):
        return _at_last_line_end(text, at)
    if place == "$m":
        if at == len(text):
            return True
        return text[at] in _LINE_ENDS and not (text[at] == "\n" and at and text[at - 1] == "\r")
    if place == "z":
        return at == len(text)
    if place == "G":
        return at == searched_from
    return (_is_word(text, at) != _is_word(text, at - 1)) == (place == "b")


class _Compiler:
    """Makes the program of a tree. Registers 0 to 2n + 1 are those of the groups."""

    def __init__(self, tree: Tree) -> None:
        self.code: list[Instruction] = []
        self._groups = tree.groups
        self.registers = 2 * (tree.groups + 1)
        self._emit(_SAVE, 0)
        self._node(tree.root)
        self._emit(_SAVE, 1)
        self._emit(_MATCH)
        first = next(each for each in self.code if each[0] != _SAVE)
        needs_one = first[0] == _CHAR or (first[0] == _RUN and first[2] > 0)
        self.first = first[1] if needs_one else None
        self._emit(_CHAR, ())  # fails: where a choice that leads nowhere goes

    def _emit(self, *instruction: object) -> int:
        if len(self.code) >= _LONGEST_PROGRAM:
            raise Wrong("the expression is too large", 0)
        self.code.append(instruction)
        return len(self.code) - 1

    def _register(self) -> int:
        self.registers += 1
        return self.registers - 1

    def _node(self, node: Node) -> None:
        match node:
            case One(chars):
                self._emit(_CHAR, chars)
            case Sequence(parts):
                for part in parts:
                    self._node(part)
            case Choice(parts):
                self._choice(parts)
            case Repeat():
                self._repeat(node)
            case Group(number, part):
                start = self._register()
                self._emit(_SAVE, start)
                self._node(part)
                self._emit_group(number, start)
            case Back(number, ignore_case):
                if number > self._groups:  # as in Java it matches nothing
                    self._emit(_CHAR, ())
                else:
                    self._emit(_BACK, number, ignore_case)
            case At(place):
                self._emit(_AT, place)
            case Atomic(part):
                self._atomic(part)
            case Look():
                self._look(node)

    def _emit_group(self, number: int, start: int) -> None:
        """Keep a group's text when it is whole: until then a reference to it means the text before."""
        end = self._register()
        self._emit(_SAVE, end)
        self._emit(_RETURN, start)
        self._emit(_SAVE, 2 * number)
        self._emit(_RETURN, end)
        self._emit(_SAVE, 2 * number + 1)

    def _choice(self, parts: tuple[Node, ...]) -> None:
        ends = []
        for part in parts[:-1]:
            split = self._emit(_SPLIT, 0, 0)
            self._node(part)
            ends.append(self._emit(_JUMP, 0))
            self.code[split] = (_SPLIT, split + 1, len(self.code))
        self._node(parts[-1])
        for end in ends:
            self.code[end] = (_JUMP, len(self.code))

    def _repeat(self, node: Repeat) -> None:
        if isinstance(node.part, One):
            self._emit(_RUN, node.part.chars, node.least, node.most, node.mode)
        elif node.mode == "+":
            self._atomic(Repeat(node.part, node.least, node.most, ""))
        elif (node.least, node.most) == (0, 1):
            split = self._emit(_SPLIT, 0, 0)
            self._node(node.part)
            ways = (split + 1, len(self.code))
            self.code[split] = (_SPLIT, *(reversed(ways) if node.mode else ways))
        elif node.least <= 1 and node.most == ENDLESS:
            self._loop(node)
        else:
            self._counted(node)

    def _loop(self, node: Repeat) -> None:
        """Emit ``x*`` or ``x+``; a turn that takes nothing is the last."""
        if node.least == 1:
            self._node(node.part)
        split = self._emit(_SPLIT, 0, 0)
        start = self._register()
        if width(node.part)[0] == 0:
            self._emit(_SAVE, start)
        self._node(node.part)
        moved = self._emit(_MOVED, start, 0) if width(node.part)[0] == 0 else -1
        self._emit(_JUMP, split)
        ways = (split + 1, len(self.code))
        self.code[split] = (_SPLIT, *(reversed(ways) if node.mode else ways))
        if moved >= 0:
            self.code[moved] = (_MOVED, start, len(self.code))

    def _counted(self, node: Repeat) -> None:
        register, start = self._register(), self._register()
        self._emit(_ZERO, register)
        jump = self._emit(_JUMP, 0)
        body = len(self.code)
        self._emit(_SAVE, start)
        self._node(node.part)
        moved = self._emit(_MOVED, start, 0)
        self.code[jump] = (_JUMP, len(self.code))
        self._emit(_COUNT, register, node.least, node.most, node.mode, body)
        self.code[moved] = (_MOVED, start, len(self.code))

    def _atomic(self, part: Node) -> None:
        height = self._register()
        self._emit(_MARK, height)
        self._node(part)
        self._emit(_CUT, height)

    def _look(self, node: Look) -> None:
        height, place = self._register(), self._register()
        self._emit(_SAVE, place)
        self._emit(_MARK, height)
        split = self._emit(_SPLIT, 0, 0) if node.negative else -1
        if node.behind:
            self._emit(_BEHIND, *width(node.part))
        self._node(node.part)
        if node.behind:
            self._emit(_ARRIVED, place)
        if node.negative:
            self._emit(_REFUSE, height)
            self.code[split] = (_SPLIT, split + 1, len(self.code))
        else:
            self._emit(_CUT, height)
            self._emit(_RETURN, place)
