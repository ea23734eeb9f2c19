"""The table of event kinds: what a run's history is made of.

How to read a row: the kind, and what its data is. ``effect`` is the number of
the effect that an event is about, 0 for others; ``name`` is the kind of the
effect, the name of the signal, or empty. ``fuel`` is what the machine had
burnt when the fact entered it: with it, an older snapshot and the history
rebuild any moment.
"""

from __future__ import annotations

from typing import Final

# fmt: off
STARTED:          Final = "started"           # {:entry :args :program :tags}
REQUESTED:        Final = "effect-requested"  # the arguments
REKEYED:          Final = "effect-rekeyed"    # the key: an earlier attempt asked for something else in its place
RESOLVED:         Final = "effect-resolved"   # {:value :fuel}
EFFECT_FAILED:    Final = "effect-failed"     # {:error :fuel}
RETRIED:          Final = "effect-retried"    # {:attempt :error :due}: an attempt failed, another will follow
ABANDONED:        Final = "effect-abandoned"  # nil: nobody waits for the result any more; {:doubtful key}: and it may have been performed
LATE:             Final = "effect-late"       # {:value} or {:error}: arrived when nobody waited for it any more
SIGNALLED:        Final = "signal-received"   # {:id :value}: taken in by the run, not merely sent
OUTPUT:           Final = "output"            # the text
CANCELLING:       Final = "cancel-requested"  # {:reason :now :fuel :again}; again: it was cancelled already
OVERDUE:          Final = "clean-up-overdue"  # {:fiber :fuel}: what its finally block waited for was abandoned
RECOVERED:        Final = "recovered"         # {:attempts :interpreter}: taken over after a crash
COMPLETED:        Final = "completed"         # the result
FAILED:           Final = "failed"            # the error; the stack stands
CANCELLED:        Final = "cancelled"         # the reason
PAUSED:           Final = "paused"            # {:reason}
UNPAUSED:         Final = "unpaused"          # nil
REVIVED:          Final = "revived"           # {:by :retry|:value|:restart|:throw|:cancel|:resume ... :fuel}: see runtime/reviving.py
FORKED:           Final = "forked"            # {:from :at :to :generation :fuel}
UPGRADED:         Final = "upgraded"          # {:from :to :fuel :revived}: programs; no fuel: it had not begun; revived: nor gone on
EXPORTED:         Final = "exported"          # {:copy}
STAYED:           Final = "export-abandoned"  # nil: the run goes on where it was
IMPORTED:         Final = "imported"          # {:from}
# fmt: on

KINDS: Final = frozenset(
    value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str)
)
