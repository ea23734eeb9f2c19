"""Recursion without the Python stack, so that a form may be nested as deeply as memory allows.

What would be a recursive function is written as a generator: ``yield request``
instead of a recursive call. ``answer`` runs such generators with a list as
their stack. A request is answered at once if the visitor returns the answer
itself (an atom), or by running the generator that it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TypeVar, cast

from flowmetal.compiler.context import Ask, Walk
from flowmetal.compiler.nodes import Node

Request = TypeVar("Request")


def answer(visit: Callable[[Ask], Node | Walk], request: Ask) -> Node:
    """Return the answer to ``request``. An exception ends the whole walk."""
    stack: list[Walk] = []
    reply = visit(request)
    while True:
        if isinstance(reply, Generator):
            stack.append(reply)
            # The first value sent into a generator goes nowhere.
            sent = cast(Node, None)
        elif not stack:
            return reply
        else:
            sent = reply
        try:
            reply = visit(stack[-1].send(sent))
        except StopIteration as done:
            stack.pop()
            reply = done.value


def follow(visit: Callable[[Request], Iterator[Request] | None], request: Request) -> None:
    """Run a walk that gives no answers: ``visit`` does its work or returns an iterator of requests."""
    started = visit(request)
    stack = [] if started is None else [started]
    while stack:
        for wanted in stack[-1]:
            inner = visit(wanted)
            if inner is not None:
                stack.append(inner)
                break
        else:
            stack.pop()
