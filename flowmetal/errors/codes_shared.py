"""Errors of what runs share: callbacks, children, locks, queues, state (FM073x).

How to read a row: code, what happened in one line, what to do about it.
"""

from __future__ import annotations

from flowmetal.errors import ErrorCode

# fmt: off
CODES = (
    ErrorCode("FM0730", "There is no such callback",
              "A callback is named by its id or its token, and can be awaited by the run that made it alone. Receipts are remembered for 7 days after the run has ended."),
    ErrorCode("FM0731", "The callback takes no answer any more",
              "Its time was up (:timeout, or no heartbeat), or its run has ended. Nothing was changed. Whoever made it has been told."),
)
# fmt: on
