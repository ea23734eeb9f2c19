-- The tables of a store in PostgreSQL, schema version 1.
--
-- The name `flowmetal` before each dot stands for the schema of the store's URL.
-- Times end in _us: microseconds since the epoch, by the server's clock. A bytea is
-- msgpack or the machine's own bytes; the store does not look into it.

CREATE SCHEMA IF NOT EXISTS flowmetal;

-- The one clock of the store. Not now(): that stands still while a statement waits for a lock.
CREATE FUNCTION flowmetal.now_us() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE
  AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint';

-- One row: which versions of Flowmetal may read and write this store.
CREATE TABLE flowmetal.store (
  schema_version integer NOT NULL,
  minimum_reader integer NOT NULL,  -- schema version that a reader has to know
  minimum_writer integer NOT NULL,
  created_us     bigint  NOT NULL
);

CREATE TABLE flowmetal.program (
  hash text COLLATE "C" PRIMARY KEY,
  data bytea NOT NULL
);

-- What is fixed when a run is made. number is the run's short name in here.
CREATE TABLE flowmetal.run (
  number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id         text COLLATE "C" NOT NULL UNIQUE,
  program    text COLLATE "C" NOT NULL,
  parent     text COLLATE "C",
  queue      text COLLATE "C" NOT NULL DEFAULT '',  -- '' is none
  tags       jsonb  NOT NULL,       -- an object of strings
  created_us bigint NOT NULL,
  input      bytea  NOT NULL,
  grants     bytea  NOT NULL
);

CREATE INDEX run_newest ON flowmetal.run (created_us);
CREATE INDEX run_parent ON flowmetal.run (parent) WHERE parent IS NOT NULL;

-- Where a run stands. state is queued, ready (also while it runs), waiting, completed,
-- failed, cancelled, paused, exporting or moved. due_us: when whoever is free
-- may take it; 0 is at once, null is never.
--
-- A step changes no column that an index knows, so that the new version of the row
-- stays on its page (HOT) and costs no index; the free space is for that.
CREATE TABLE flowmetal.head (
  number           bigint PRIMARY KEY,
  due_us           bigint,
  epoch            bigint  NOT NULL,
  seq              bigint  NOT NULL,  -- of the last event
  received         bigint  NOT NULL,  -- number of the last message
  lease_expires_us bigint  NOT NULL,  -- 0: nobody has it
  started_us       bigint,
  ended_us         bigint,
  attempts         integer NOT NULL,  -- the claim that holds, and those that crashed since the last commit
  snapshot_format  integer NOT NULL,  -- 0: never ran
  state            text    NOT NULL,
  state_before     text    NOT NULL,  -- the last one that was not exporting
  owner            text COLLATE "C",  -- the interpreter that has the run
  waiting          bytea   NOT NULL,
  progress         bytea   NOT NULL,
  snapshot         bytea,             -- the latest; null: it is the last that an event has
  result           bytea,
  error            bytea,
  chain            bytea   NOT NULL DEFAULT '',  -- head of the chain of events
  anchor           bytea   NOT NULL DEFAULT ''   -- the same, where the history was cut off
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX head_due   ON flowmetal.head (due_us) WHERE due_us IS NOT NULL AND owner IS NULL;
CREATE INDEX head_owner ON flowmetal.head (owner) WHERE owner IS NOT NULL;
CREATE INDEX head_lease ON flowmetal.head (lease_expires_us) WHERE owner IS NOT NULL;

CREATE TABLE flowmetal.event (
  run     bigint  NOT NULL,
  seq     bigint  NOT NULL,
  time_us bigint  NOT NULL,
  effect  bigint  NOT NULL,
  kind    text    NOT NULL,
  name    text    NOT NULL,
  data    bytea   NOT NULL,
  snapshot bytea,                    -- kept, as the run stood after this event
  PRIMARY KEY (run, seq)
);

-- The inbox. A consumed message stays, so that the same id is answered as the first time.
CREATE TABLE flowmetal.message (
  run      bigint  NOT NULL,
  number   bigint  NOT NULL,
  time_us  bigint  NOT NULL,
  consumed boolean NOT NULL DEFAULT false,
  id       text COLLATE "C" NOT NULL,
  kind     text    NOT NULL,
  name     text    NOT NULL,
  body     bytea   NOT NULL,
  PRIMARY KEY (run, id)
);

CREATE INDEX message_unread ON flowmetal.message (run, number) WHERE NOT consumed;

-- Parts of snapshots, named by their content.
CREATE TABLE flowmetal.chunk (
  run  bigint NOT NULL,
  name text COLLATE "C" NOT NULL,
  data bytea  NOT NULL,
  PRIMARY KEY (run, name)
);

-- What runs share and what hangs on them: see store/operations. A row that is due is looked at
-- by whoever is free.
CREATE TABLE flowmetal.record (
  space  text COLLATE "C" NOT NULL,
  key    text COLLATE "C" NOT NULL,
  fields text   NOT NULL,           -- a JSON object
  body   bytea,
  due_us bigint,
  PRIMARY KEY (space, key)
);

CREATE INDEX record_due ON flowmetal.record (due_us) WHERE due_us IS NOT NULL;

-- Effects for workers outside, and what they said. A worker may change state, attempt, worker,
-- lease_expires_us and result: docs/store.md says how.
CREATE TABLE flowmetal.task (
  id               text COLLATE "C" PRIMARY KEY,
  queue            text    NOT NULL,
  name             text    NOT NULL,
  state            text    NOT NULL CHECK (state IN ('open', 'claimed', 'done', 'failed')),
  attempt          integer NOT NULL,
  args             text    NOT NULL,  -- JSON
  idempotency_key  text    NOT NULL,
  run              text    NOT NULL,
  effect           text    NOT NULL,
  created_us       bigint  NOT NULL,
  ready_us         bigint  NOT NULL,
  lease_us         bigint  NOT NULL,
  expires_us       bigint,
  worker           text,
  lease_expires_us bigint,
  result           text,              -- JSON
  max_attempts     integer,
  first_wait_us    bigint  NOT NULL,
  factor           double precision NOT NULL,
  most_wait_us     bigint  NOT NULL
);

CREATE INDEX task_open  ON flowmetal.task (queue, ready_us) WHERE state = 'open';
CREATE INDEX task_lease ON flowmetal.task (lease_expires_us) WHERE state = 'claimed';
CREATE INDEX task_said  ON flowmetal.task (id) WHERE state IN ('done', 'failed');

-- Who has held runs. While an interpreter lives, its direct connection holds the advisory
-- lock (oid of this table, number); a number is used for one connection.
CREATE SEQUENCE flowmetal.interpreter_number AS integer CYCLE;
CREATE TABLE flowmetal.interpreter (
  id          text COLLATE "C" PRIMARY KEY,
  number      integer NOT NULL,
  description text    NOT NULL,
  since_us    bigint  NOT NULL
);

-- For people and for plain SQL; see docs/store.md.
CREATE VIEW flowmetal.runs AS
  SELECT run.id, run.program,
         CASE WHEN head.state = 'ready' AND head.owner IS NOT NULL
              THEN 'running' ELSE head.state END AS state,
         head.due_us, head.owner, head.epoch, head.seq, head.attempts,
         run.parent, run.queue, run.tags, run.created_us, head.started_us, head.ended_us,
         length(coalesce(head.snapshot, (
           SELECT event.snapshot FROM flowmetal.event
           WHERE event.run = run.number AND event.snapshot IS NOT NULL
           ORDER BY event.seq DESC LIMIT 1))) AS snapshot_bytes
  FROM flowmetal.run JOIN flowmetal.head USING (number);

CREATE VIEW flowmetal.events AS
  SELECT run.id AS run, event.seq, event.time_us, event.kind, event.name, event.effect, event.data
  FROM flowmetal.run JOIN flowmetal.event ON event.run = run.number;

CREATE VIEW flowmetal.messages AS
  SELECT run.id AS run, message.number, message.id, message.time_us,
         message.kind, message.name, message.body, message.consumed
  FROM flowmetal.run JOIN flowmetal.message ON message.run = run.number;
