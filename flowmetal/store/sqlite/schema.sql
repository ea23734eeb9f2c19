-- The tables of a store, schema version 1.
--
-- Times end in _us: microseconds since the epoch; in _boot_us: microseconds on
-- the clock of the machine's start that interpreter.boot_id names. Blobs are
-- msgpack or the machine's own bytes; the store does not look into them.
--
-- A commit touches one page of event and one of head, and no index: what never
-- changes is in run, what is big and changes is last in head (measured: a
-- second table for snapshots costs 5 % at 400 bytes and 70 % at 50 kB, because
-- SQLite overwrites a row of the same size in place).

-- One row: which versions of Flowmetal may read and write this file.
CREATE TABLE store (
  schema_version INTEGER NOT NULL,
  minimum_reader INTEGER NOT NULL,  -- schema version that a reader has to know
  minimum_writer INTEGER NOT NULL,
  created_us     INTEGER NOT NULL
) STRICT;

CREATE TABLE program (
  hash TEXT NOT NULL UNIQUE,
  data BLOB NOT NULL
) STRICT;

-- What is fixed when a run is made. number is the run's short name in here.
CREATE TABLE run (
  number     INTEGER PRIMARY KEY,
  id         TEXT NOT NULL UNIQUE,
  program    TEXT NOT NULL,
  parent     TEXT,
  queue      TEXT NOT NULL,         -- "" is none
  tags       TEXT NOT NULL,         -- a JSON object of strings
  created_us INTEGER NOT NULL,
  input      BLOB NOT NULL,
  grants     BLOB NOT NULL
) STRICT;

CREATE INDEX run_newest ON run (created_us, id);
CREATE INDEX run_parent ON run (parent) WHERE parent IS NOT NULL;

-- Where a run stands. state is queued, ready (also while it runs), waiting, completed,
-- failed, cancelled, paused, exporting or moved. due_us: when whoever is free
-- may take it; 0 is at once, null is never.
CREATE TABLE head (
  number          INTEGER PRIMARY KEY,
  state           TEXT NOT NULL,
  state_before    TEXT NOT NULL,    -- the last one that was not exporting
  due_us          INTEGER,
  epoch           INTEGER NOT NULL,
  seq             INTEGER NOT NULL, -- of the last event
  attempts        INTEGER NOT NULL, -- the claim that holds, and those that crashed since the last commit
  received        INTEGER NOT NULL, -- number of the last message
  snapshot_format INTEGER NOT NULL, -- 0: never ran
  owner           TEXT,             -- the interpreter that has the run
  lease_boot_us   INTEGER NOT NULL,
  started_us      INTEGER,
  ended_us        INTEGER,
  waiting         BLOB NOT NULL,
  progress        BLOB NOT NULL,
  snapshot        BLOB,             -- the latest; null: it is the last that an event has
  result          BLOB,
  error           BLOB,
  chain           BLOB NOT NULL DEFAULT x'',  -- head of the chain of events
  anchor          BLOB NOT NULL DEFAULT x''   -- the same, where the history was cut off
) STRICT;

CREATE INDEX head_due  ON head (due_us) WHERE due_us IS NOT NULL AND owner IS NULL;
CREATE INDEX head_held ON head (owner, lease_boot_us) WHERE owner IS NOT NULL;

-- key is run number * 4294967296 + sequence number: one narrow tree in which a
-- run's events are neighbours.
CREATE TABLE event (
  key     INTEGER PRIMARY KEY,
  time_us INTEGER NOT NULL,
  kind    TEXT NOT NULL,
  name    TEXT NOT NULL,
  effect  INTEGER NOT NULL,
  data    BLOB NOT NULL,
  snapshot BLOB                     -- kept, as the run stood after this event
) STRICT;

-- The inbox. A consumed message stays, so that the same id is answered as the first time.
CREATE TABLE message (
  run      INTEGER NOT NULL,
  id       TEXT NOT NULL,
  number   INTEGER NOT NULL,
  time_us  INTEGER NOT NULL,
  kind     TEXT NOT NULL,
  name     TEXT NOT NULL,
  body     BLOB NOT NULL,
  consumed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX message_unread ON message (run, number) WHERE consumed = 0;

-- Parts of snapshots, named by their content.
CREATE TABLE chunk (
  run  INTEGER NOT NULL,
  name TEXT NOT NULL,
  data BLOB NOT NULL,
  UNIQUE (run, name)
) STRICT;

CREATE TABLE interpreter (
  id          TEXT PRIMARY KEY,
  boot_id     TEXT NOT NULL, -- and device:inode of the file then: in a copy it is another
  description TEXT NOT NULL,
  since_us    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What runs share and what hangs on them: see store/operations. A row that is due is looked at
-- by whoever is free.
CREATE TABLE record (
  space  TEXT NOT NULL,
  key    TEXT NOT NULL,
  fields TEXT NOT NULL,             -- a JSON object
  body   BLOB,
  due_us INTEGER,
  PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX record_due ON record (due_us) WHERE due_us IS NOT NULL;

-- Effects for workers outside, and what they said. A worker may change state, attempt, worker,
-- lease_expires_us and result: docs/store.md says how.
CREATE TABLE task (
  id               TEXT NOT NULL PRIMARY KEY,
  queue            TEXT NOT NULL,
  name             TEXT NOT NULL,
  state            TEXT NOT NULL CHECK (state IN ('open', 'claimed', 'done', 'failed')),
  attempt          INTEGER NOT NULL,
  args             TEXT NOT NULL,   -- JSON
  idempotency_key  TEXT NOT NULL,
  run              TEXT NOT NULL,
  effect           TEXT NOT NULL,
  created_us       INTEGER NOT NULL,
  ready_us         INTEGER NOT NULL,
  lease_us         INTEGER NOT NULL,
  expires_us       INTEGER,
  worker           TEXT,
  lease_expires_us INTEGER,
  result           TEXT,            -- JSON
  max_attempts     INTEGER,
  first_wait_us    INTEGER NOT NULL,
  factor           REAL NOT NULL,
  most_wait_us     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX task_open  ON task (queue, ready_us) WHERE state = 'open';
CREATE INDEX task_lease ON task (lease_expires_us) WHERE state = 'claimed';
CREATE INDEX task_said  ON task (id) WHERE state IN ('done', 'failed');

-- For people and for plain SQL; see docs/store.md.
CREATE VIEW runs AS
  SELECT run.id, run.program,
         CASE WHEN head.state = 'ready' AND head.owner IS NOT NULL
              THEN 'running' ELSE head.state END AS state,
         head.due_us, head.owner, head.epoch, head.seq, head.attempts,
         run.parent, run.queue, run.tags, run.created_us, head.started_us, head.ended_us,
         length(coalesce(head.snapshot, (
           SELECT event.snapshot FROM event WHERE event.snapshot IS NOT NULL
             AND event.key BETWEEN run.number * 4294967296 + 1 AND run.number * 4294967296 + 4294967295
           ORDER BY event.key DESC LIMIT 1))) AS snapshot_bytes
  FROM run JOIN head USING (number);

CREATE VIEW events AS
  SELECT run.id AS run, event.key & 4294967295 AS seq, event.time_us,
         event.kind, event.name, event.effect, event.data
  FROM run JOIN event ON event.key BETWEEN run.number * 4294967296 + 1
                                       AND run.number * 4294967296 + 4294967295;

CREATE VIEW messages AS
  SELECT run.id AS run, message.number, message.id, message.time_us,
         message.kind, message.name, message.body, message.consumed
  FROM run JOIN message ON message.run = run.number;
