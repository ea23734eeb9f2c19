"""How long the image of a program stays."""

from __future__ import annotations

import gc

from flowmetal import compile
from flowmetal.bytecode.code import Program
from flowmetal.embed.natives import natives
from flowmetal.vm.link import Linker


def programs(count: int) -> list[Program]:
    return [compile(f"(defn main [] {number})") for number in range(count)]


def test_an_image_that_nobody_has_goes_when_enough_others_were_asked_for() -> None:
    linker = Linker(natives(), kept=2)
    first, *others = programs(4)
    linker.image(first)
    for other in others:
        linker.image(other)
    gc.collect()
    assert linker.known(first.hash) is None
    assert linker.known(others[-1].hash) is not None


def test_an_image_that_somebody_has_is_the_same_however_many_others_there_are() -> None:
    linker = Linker(natives(), kept=1)
    first, *others = programs(4)
    image = linker.image(first)
    for other in others:
        linker.image(other)
    gc.collect()
    assert linker.image(first) is image


def test_the_one_that_was_asked_for_last_stays() -> None:
    linker = Linker(natives(), kept=2)
    first, second, third = programs(3)
    linker.image(first)
    linker.image(second)
    linker.known(first.hash)
    linker.image(third)
    gc.collect()
    assert linker.known(first.hash) is not None
    assert linker.known(second.hash) is None
