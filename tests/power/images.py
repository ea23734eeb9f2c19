"""What may be on a disk after the power failed.

What was synced is there. Of what was written after the last sync of a file, each write may be there, or not, or
in part, in whatever order: so does a disk with a cache. Parts are sectors of 512 bytes.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.power.recording import Act

SECTOR = 512


@dataclass
class _OnDisk:
    """A file: what is durable, and what was done since."""

    content: bytearray = field(default_factory=bytearray)
    is_there: bool = False  # durably
    since: list[Act] = field(default_factory=list)

    def sync(self) -> None:
        for act in self.since:
            _do(self.content, act)
        self.since.clear()
        self.is_there = True

    def image(self, chance: random.Random, kept: float) -> bytes | None:
        """Return what may be there; None: the file has never been synced, and is not."""
        if not self.is_there and chance.random() > kept:
            return None
        content = bytearray(self.content)
        for act in self.since:
            drawn = chance.random()
            if drawn < kept:
                _do(content, act)
            elif drawn < kept + (1 - kept) / 2 and act.what == "write":
                for part in _sectors(act):
                    if chance.random() < 0.5:
                        _do(content, part)
        return bytes(content)


class Disk:
    """The files of a store while it is written, act by act."""

    def __init__(self) -> None:
        self._files: dict[str, _OnDisk] = {}

    def do(self, act: Act) -> None:
        match act.what:
            case "sync":
                self._file(act.name).sync()
            case "delete":  # SQLite syncs the folder before it relies on it
                self._files.pop(act.name, None)
            case _:
                self._file(act.name).since.append(act)

    def _file(self, name: str) -> _OnDisk:
        return self._files.setdefault(name, _OnDisk())

    def image(self, chance: random.Random) -> dict[str, bytes]:
        """Draw one of the states that the power may leave behind."""
        kept = chance.choice((0.0, 0.2, 0.5, 0.8, 1.0))
        made = {name: each.image(chance, kept) for name, each in self._files.items()}
        return {name: content for name, content in made.items() if content is not None}


def images(
    acts: Iterable[Act], points: Iterable[int], each: int, chance: random.Random
) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Yield ``each`` images for every point: the power fails before act number ``point``."""
    disk, wanted = Disk(), set(points)
    for number, act in enumerate(acts):
        if number in wanted:
            for _ in range(each):
                yield number, disk.image(chance)
        disk.do(act)


def write_image(folder: Path, image: dict[str, bytes]) -> None:
    for name, content in image.items():
        (folder / name).write_bytes(content)


def _sectors(act: Act) -> Iterator[Act]:
    for at in range(0, len(act.data), SECTOR):
        yield Act("write", act.name, act.offset + at, act.data[at : at + SECTOR])


def _do(content: bytearray, act: Act) -> None:
    if act.what == "truncate":
        del content[act.offset :]
        return
    if len(content) < act.offset:
        content.extend(bytes(act.offset - len(content)))
    content[act.offset : act.offset + len(act.data)] = act.data
