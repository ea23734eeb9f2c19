"""A machine with fibers can be saved after any instruction, and damaged bytes are refused."""

from __future__ import annotations

import random
from functools import cache

from flowmetal.bytecode.code import Program
from flowmetal.effects.requests import EffectResult
from flowmetal.embed.natives import natives
from flowmetal.errors import SnapshotError
from flowmetal.ids import RunId
from flowmetal.snapshot import decode, encode
from flowmetal.snapshot.format import DIGEST_BYTES, HEAD_BYTES
from flowmetal.values import Instant, pr_str
from flowmetal.vm.link import Image
from flowmetal.vm.machine import deliver, run, start
from flowmetal.vm.state import Machine, MachineStatus
from tests.snapshot.machines import by_instruction, fetch
from tests.vm import programs

TEXT = """(ns user (:require [flow.async :refer :all]))
(defn ask [x] (perform :time/now {:x x}) x)
(defn clumsy [x]
  (try (throw (ex-info "no" {:type :my/no}))
       (finally (ask x))))
(defn main []
  [(all! (ask 1) (ask 2))
   (try (all! (clumsy 3) (try (await! (promise!)) (finally (ask 4))))
        (catch (fn [e] (= (:type (ex-data e)) :my/no)) e :caught))
   (let [f (spawn! (fn [] (try (ask 5) (catch :flow/cancelled e :stopped))))] (cancel! f) (ask 6)
     (try (await! f) (catch :fiber/cancelled e :never-began)))
   (let [c (chan 1 (map inc)) d (chan)]
     (go! (>! c 1) (>! c 2) (close! c))
     [(<! c) (first (alts! [c d])) (<! c)])
   (race! (ask 7) (<! (chan)))])
"""


@cache
def program() -> Program:
    return programs.program(TEXT)


def machine(single_steps: bool) -> Machine:
    return start(Image(program(), natives(), single_steps), "user/main", (), RunId("r"))


def answer(made: Machine) -> None:
    for effect in list(made.open.values()):
        request = effect.request
        deliver(made, EffectResult(request.number, Instant(request.number)), 0, request.number)


def result(made: Machine) -> str:
    assert made.status is MachineStatus.COMPLETED, made.fibers[1].error
    return pr_str(made.fibers[1].result)


def to_the_end(made: Machine) -> str:
    while made.status in (MachineStatus.READY, MachineStatus.WAITING):
        run(made)
        answer(made)
    return result(made)


EXPECTED = "[[1 2] :caught :never-began [2 3 nil] 7]"


def test_a_machine_with_fibers_is_the_same_after_any_instruction() -> None:
    made = machine(single_steps=True)
    chunks: dict[str, bytes] = {}
    samples = []
    for number, _ in enumerate(by_instruction(made, answer)):
        saved = encode(made)
        chunks.update(saved.chunks)
        restored = decode(saved.data, made.image, fetch(chunks))
        assert encode(restored).data == saved.data, number
        if number % 211 == 0:
            samples.append(saved.data)
    assert result(made) == EXPECTED
    plain = Image(program(), natives(), False)
    for data in samples:
        assert to_the_end(decode(data, plain, fetch(chunks))) == EXPECTED


def test_damage_behind_a_good_checksum_is_refused_or_harmless() -> None:
    import hashlib

    made = machine(single_steps=False)
    run(made)
    data = encode(made).data
    rng = random.Random(1)
    for _ in range(1500):
        body = bytearray(data[HEAD_BYTES:])
        body[rng.randrange(len(body))] = rng.randrange(256)
        digest = hashlib.sha256(body).digest()[:DIGEST_BYTES]
        forged = data[: HEAD_BYTES - DIGEST_BYTES] + digest + bytes(body)
        try:
            restored = decode(forged, made.image, fetch({}))
        except SnapshotError:
            continue
        encode(restored)
        run(restored, 20_000)
