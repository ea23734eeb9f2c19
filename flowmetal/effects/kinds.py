"""The table of effect kinds that every program knows.

How to read a row: the kind, its class (durability.md, "Effects by cost"), the
capability that it needs (None: always granted) and what it does. Kinds that a
program declares itself (``defforeign``) are not here; they travel with it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class EffectClass(Enum):
    """When an effect is durable, and who performs it."""

    LOCAL = "local"
    IN_PROCESS = "in-process"
    CONNECTOR = "connector"
    CALL = "call"  # a connector's, which another process performs
    TASK = "task"
    WAITING = "waiting"
    STORE = "store"


ATTEMPTED: Final = (EffectClass.CONNECTOR, EffectClass.CALL)
"""The classes of what is attempted, and may be again: it is due when the next attempt may begin."""


class EffectKind(NamedTuple):
    """A row of the table."""

    name: str
    effect_class: EffectClass
    capability: str | None
    meaning: str


_L, _C, _W = EffectClass.LOCAL, EffectClass.CONNECTOR, EffectClass.WAITING
_S = EffectClass.STORE

# fmt: off
_ROWS = (
    #          kind             class  capability  meaning
    EffectKind("time/now",       _L,   None,       "The time, an instant."),
    EffectKind("id/uuid",        _L,   None,       "A fresh random UUID."),
    EffectKind("log/write",      _L,   None,       "One structured line in the log: {:level :message :data}."),
    EffectKind("step/begin",     _L,   None,       "The beginning of a named step: {:name :attempt}; its effect number is the scope id."),
    EffectKind("step/end",       _L,   None,       "The end of a named step: {:scope :name :ok}."),
    EffectKind("run/info",       _L,   None,       "What is known of this run: {:id :program :started :tags}."),
    EffectKind("code/compile",   _L,   None,       "Compile a form, or the first of a text: {:namespace} and {:form} or {:text :line :column}."),
    EffectKind("env/get",        _L,   "env",      "An environment variable: {:name :default}."),
    EffectKind("time/sleep",     _W,   None,       "Wait: {:for duration} or {:until instant}."),
    EffectKind("signal/receive", _W,   None,       "Take the next signal: {:name :timeout :else :whole}."),
    EffectKind("topic/receive",  _W,   None,       "Take the next message of a subscription: {:name :timeout :else}."),
    EffectKind("run/status",     _L,   None,       "Say how far this run is: {:value}, shown by ps."),
    EffectKind("run/start",      _S,   None,       "Start a run: {:entry :args} or {:program :entry :args}, :id :if-exists :on-parent-end :delay :queue :tags."),
    EffectKind("run/await",      _S,   None,       "Wait for the end of a run: {:run :timeout :else}."),
    EffectKind("run/cancel",     _S,   None,       "Ask a run to stop: {:run :reason}."),
    EffectKind("run/query",      _C,   None,       "Ask a run for what it tells: {:run :name :args}."),
    EffectKind("signal/send",    _S,   None,       "Send a signal to a run: {:run :name :value :id :whole}."),
    EffectKind("callback/open",  _S,   None,       "Make a one-time address: {:timeout :heartbeat :name}; {:id :url :token :expires}."),
    EffectKind("callback/await", _S,   None,       "Wait for the answer of a callback: {:id :timeout :else}."),
    EffectKind("promise/await",  _S,   None,       "Wait for a promise that runs share: {:name :timeout :else}."),
    EffectKind("promise/settle", _S,   None,       "Keep such a promise or break it: {:name :value | :error, :keep}."),
    EffectKind("topic/publish",  _S,   None,       "Tell all subscribers: {:topic :value}."),
    EffectKind("topic/subscribe",_S,   None,       "Get what is published from now on, or from the start: {:topic :from}."),
    EffectKind("topic/unsubscribe",_S, None,       "Get no more: {:topic :subscription}."),
    EffectKind("lock/acquire",   _S,   None,       "Wait for permits: {:name :limit :permits :lease :timeout :else}; {:name :token :expires}."),
    EffectKind("lock/release",   _S,   None,       "Give permits back: {:name :token}."),
    EffectKind("lock/renew",     _S,   None,       "Begin the lease again: {:name :token :lease}."),
    EffectKind("rate/take",      _S,   None,       "Take a place under a rate limit: {:name :limit :per :most}; when it may be used."),
    EffectKind("state/get",      _S,   None,       "Read a shared key: {:key}; {:value :version}."),
    EffectKind("state/put",      _S,   None,       "Write a shared key: {:key :value :ttl :if-version}; {:version :conflict}."),
    EffectKind("state/delete",   _S,   None,       "Delete a shared key: {:key :if-version}."),
    EffectKind("state/scan",     _S,   None,       "Read shared keys in order: {:prefix :after :limit}."),
    EffectKind("queue/dead",     _S,   None,       "List the runs of a queue that failed: {:queue :limit}."),
    EffectKind("queue/redrive",  _S,   None,       "Enqueue such runs anew: {:queue :runs :limit}."),
    EffectKind("http/request",   _C,   "http",     "An HTTP request; args and result as flow.http/request! says."),
    EffectKind("sh/run",         _C,   "sh",       "A command without a shell: {:argv :dir :env :in :timeout :as :check?}."),
    EffectKind("sh/shell",       _C,   "sh",       "A command line for /bin/sh: {:command ...as sh/run}; needs the grant of `sh` itself."),
    EffectKind("config/read",    _C,   None,       "The :config of the project file: {}; each variable in it needs the grant of its name."),
    EffectKind("fs/read",        _C,   "fs",       "A file's content: {:path :as :text|:bytes}."),
    EffectKind("fs/write",       _C,   "fs",       "Write a file, whole and atomically: {:path :content :append}."),
    EffectKind("fs/exists",      _C,   "fs",       "Whether a path exists: {:path}."),
    EffectKind("fs/list",        _C,   "fs",       "Names in a folder, sorted: {:path}."),
    EffectKind("fs/glob",        _C,   "fs",       "Paths that match: {:path :pattern}, sorted."),
    EffectKind("fs/mkdir",       _C,   "fs",       "Make a folder and its parents: {:path}."),
    EffectKind("fs/copy",        _C,   "fs",       "Copy a file: {:from :to}."),
    EffectKind("fs/move",        _C,   "fs",       "Move a file: {:from :to}."),
    EffectKind("fs/delete",      _C,   "fs",       "Delete a file or an empty folder, or a tree: {:path :recursive}."),
    EffectKind("fs/temp-dir",    _C,   "fs",       "Make a fresh folder: {:prefix}."),
)
# fmt: on

KINDS: dict[str, EffectKind] = {row.name: row for row in _ROWS}
