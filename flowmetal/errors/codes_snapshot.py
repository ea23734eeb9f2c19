"""Snapshots' errors: bytes are not a snapshot, or its code is missing (FM09xx).

How to read a row: code, what happened in one line, what to do about it.
"""

from __future__ import annotations

from flowmetal.errors import ErrorCode

# fmt: off
CODES = (
    ErrorCode("FM0903", "The snapshot was written by a newer version of Flowmetal",
              "Snapshots of older formats can always be read, newer ones cannot. Nothing was changed: resume the run with the newer version, or upgrade here."),
    ErrorCode("FM0906", "The snapshot belongs to another program",
              "A run goes on with the program that it was started with, which the store keeps by its hash. To move a run to new code is an operation of its own: `fmvm upgrade` checks what would change and does it."),
    ErrorCode("FM0907", "The run needs code that is not at hand",
              "A frame or a function value of the run names code by its hash, and the program does not have it: it is another version of the program. Resume the run with the program that it was started with. A frame inside a changed function keeps running the old code until it returns, so an upgraded run needs both programs."),
    ErrorCode("FM0908", "The run holds a native function that this version does not have",
              "Native functions are known by name and belong to the version of Flowmetal. Resume the run with the version that it ran in, or a later one."),
    ErrorCode("FM0909", "A part of the snapshot is missing or damaged",
              "Big collections and long texts are stored by themselves, named by the hash of their content, and one of them is not there or is not what its name says. Resume from an older snapshot of the run, or import an export of it; and have a look at the disk."),
    ErrorCode("FM0910", "The bytes are not a snapshot, or a damaged one",
              "Everything in a snapshot is checked before the run goes on, and a snapshot that does not check out is refused as a whole; nothing was changed. Resume from an older snapshot of the run, or import an export of it."),
)
# fmt: on
