"""Waiting until the store shows something, or until the time is up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from flowmetal.errors import StoreError
from flowmetal.runtime.patience import TROUBLE_US, Patience
from flowmetal.store.protocol import Store

T = TypeVar("T")

LOOK_S: Final = 0.25
"""How long a wait goes by a hint alone before it looks at the store again."""


def wait_until(store: Store, look: Callable[[], T | None], timeout_us: int | None) -> T | None:
    """Return what ``look`` finds, as soon as it finds something; None: not in time. None of a timeout: wait for ever.

    A store that fails after the first look is borne for a while. Raises StoreError.
    """
    if (found := look()) is not None:
        return found
    deadline_us = None if timeout_us is None else store.now_us() + timeout_us
    patience = Patience(store)
    while True:
        try:
            left_s = LOOK_S
            if deadline_us is not None:
                left_s = min(left_s, (deadline_us - store.now_us()) / 1e6)
            if left_s <= 0:
                return None
            store.wait_for_change(left_s)
            found = look()
        except StoreError:
            if not patience.bears():
                raise
            store.wait_for_change(TROUBLE_US / 1e6)
        else:
            patience.forget()
            if found is not None:
                return found
