"""The errors of reading snapshots, in one place."""

from __future__ import annotations

from flowmetal.errors import SnapshotError

_AGAIN = (
    "`fmvm fork RUN --at N` goes on from an older snapshot of the run; or import an export of it"
)


def damaged(what: str) -> SnapshotError:
    """Return the error FM0910: the bytes are not what ``encode`` makes."""
    return SnapshotError("FM0910", f"the snapshot is damaged: {what}", hint=_AGAIN)


def require(holds: bool, what: str) -> None:
    """Raise FM0910 unless ``holds``."""
    if not holds:
        raise damaged(f"{what} cannot be right")


def unknown_code(name: str, code_hash: str) -> SnapshotError:
    """Return the error FM0907: the program at hand does not have a function that the run is in."""
    return SnapshotError(
        "FM0907",
        f"the run needs the code of {name} ({code_hash}), which is not at hand",
        hint="resume it with the program that it was started with; "
        "`fmvm upgrade` moves a run to another program",
    )


def missing_chunk(name: str) -> SnapshotError:
    """Return the error FM0909: a part of the snapshot that is stored by itself is not there."""
    return SnapshotError(
        "FM0909", f"a part of the snapshot is missing or damaged: chunk {name}", hint=_AGAIN
    )
