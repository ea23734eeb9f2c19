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
    ErrorCode("FM0732", "No program is deployed under this name",
              "`fmvm programs` lists the names, `fmvm deploy FILE --name NAME` adds one. `start!` looks the name up in the store of the run."),
    ErrorCode("FM0733", "A run that was awaited has ended without a result",
              "It was cancelled, or it moved to another store. The data has its id as `:run`. A run that failed throws its own error instead."),
    ErrorCode("FM0734", "A callback was failed",
              "Whoever was to answer said that it cannot: `{:type :callback/failed}`, with what was said as the message and in the data."),
    ErrorCode("FM0735", "A promise that runs share was broken",
              "Some run called `break-shared!` with something that is no error; it is in the data as `:value`. An error is thrown as it is."),
    ErrorCode("FM0736", "A worker has failed a task",
              "A worker outside said that it failed, or gave no sign of life, and the policy of the foreign function has no more attempts. The data has `:attempts`."),
    ErrorCode("FM0737", "The run is being moved",
              "An export of the run has begun, so that the answer of a callback or of a worker would be lost here. Try again: after the move the run is answered at the new place alone, after a failed one here."),
    ErrorCode("FM0739", "What a fork inherited is not its own",
              ":fork/inherited. Callbacks, children, locks and subscriptions belong to the run that asked for them; a fork of it has their ids, and nothing else of them. `:inherited` in the data names it. Let the fork ask for one of its own."),
    ErrorCode("FM0738", "What a run held stayed behind when it moved",
              ":moved/left-behind. The run was exported with --force while it had a child, a lock or a subscription, which belong to the store that it left. `:left` in the data names it."),
)
# fmt: on
