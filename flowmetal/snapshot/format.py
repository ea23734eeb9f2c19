"""The layout of a snapshot, formats 1 and 2, and its numbers.

```
offset  bytes
     0      4  89 46 4D 53
     4      2  format version, big endian
     6      8  first bytes of the SHA-256 of everything that follows
    14      -  a stream of msgpack objects:

code        bytes, or a chunk of them    format 2 alone: what the run has compiled itself
codes       [hash, name, ...]            functions that the rest refers to by index
fixed       [owner, constant, part, ...] collections that the program itself holds
machine     [program, run, entry, arguments, generation, status, started, ready, defined, values,
             fibers, open, scopes, inbox, next effect, next fiber, next scope, next gensym, random,
             fuel, quantum, cancelled]
objects     one array each, numbered from 0 in the order in which they are first referred to
```

A machine that has compiled nothing is written in format 1.

program     the first 16 bytes of its hash
code        modules as in a file of modules (bytecode/file.py), one for each namespace: the functions that
            the rest refers to and those nested in them, and definitions without code or value
defined     the names of the vars that are state, joined by NUL; ``values`` has their roots
fiber       [number, status, waiting for, bindings, result, error, more, frames, thens]
more        nil for a fiber alone, else [home, scope, handle, blocked on, origin, flags, cancel, verdict, failed]:
            failed: [number, kind, arguments, key] of the effect whose error is being raised, or has parked it;
            flags 1: a service, 2: asked to stop, 4: not begun, 8: a timer; cancel [reason, scope, ...]; verdict [error, frame, handler];
            origin [code, body, pc]
scopes      seven items each: number, owner, parent, depth, closing, verdict, [suppressed error, ...]
frames      four items each, bottom first: closure, body, pc, slots and operands
thens       four items for each frame that has more to say: its index, then, dropped, history
history     [code, body, pc, ...], most recent first
then        nil   0: Finish   [1, cell ...]: Retry   [2, name]: Define   [3, error, fiber, frame, handler]: Search
open        five items each: number, kind, arguments, key, fiber
inbox       four items each: time, order, nil, the reason of a Cancel or the fiber of an Overdue, nil or [number, value, error]

**Values.** What msgpack has stands for itself: nil, booleans, integers of 64
bits, floats, strings, bytes. The rest is an extension: a small thing by value,
or the number of an object. Objects hold objects by number only, so the nesting
of data is never a nesting of bytes, sharing and cycles are kept, and a machine
has one encoding: objects are numbered breadth first from the machine on.

An object is [kind, field, ...], or [kind + 64, metadata, field, ...]; the
table ``Kind`` says which fields. A run of list cells, cons cells or realised
lazy cells is one object; a cell inside of it that others refer to is known by
the object's number and its place in the run.

**What the program fixes** is not copied. A function that captures nothing is
an index into ``codes``; a native function is a name; a literal collection is an
entry of ``fixed``: the index of the function in whose constants it stands or
the name of the var whose value it is in, the constant, and which collection
inside of that constant it is, counted depth first.

**Chunks.** Text and bytes of more than ``LONG`` characters, and nodes of big
collections that hold nothing but pure data, are bytes of their own, named by
the first 16 bytes of their SHA-256: a letter, then

    T  the text in UTF-8      B  the bytes      N  a stream of objects as above, the node first

In a chunk, objects are numbered on their own, and what a program fixes is data
like any other. So a collection inside of a big collection keeps its sharing
within one node and not beyond. A node whose objects are more than
``CHUNK_OBJECTS`` (it shares something large) stays an object of the machine.
"""

from __future__ import annotations

from enum import IntEnum

MAGIC = b"\x89FMS"
VERSION = 2
"""The latest format that this version reads."""

WITHOUT_CODE = 1
WITH_CODE = 2
HEAD_BYTES = 14
DIGEST_BYTES = 8
NAME_BYTES = 16  # of chunks, programs and code
LONG = 1024
CHUNK_OBJECTS = 2048
WITH_META = 64


class Ext:
    """Numbers of the extension types, and what their bytes are."""

    # fmt: off
    KEYWORD = 1   # its text
    SYMBOL  = 2   # its text; a symbol with metadata is an object
    SCALAR  = 3   # values.codec
    REF     = 4   # the number of an object, big endian, as few bytes as it takes
    CELL    = 5   # 4 bytes: the number of an object that is a run; 4 bytes: the place in it
    PLAIN   = 6   # a function that captures nothing: its index in codes, as REF
    NATIVE  = 7   # its name
    FIXED   = 8   # its index in fixed, as REF
    NODE    = 9   # the name of a chunk
    TEXT    = 10  # the name of a chunk
    BYTES   = 11  # the name of a chunk
    EMPTY   = 12  # the one empty collection of a kind: v vector, l list, m map, s set
    # fmt: on


class Kind(IntEnum):
    """Kinds of objects, and their fields; ``*`` is any number of them."""

    # fmt: off
    VECTOR     = 1   # item*
    ENTRY      = 2   # key value
    LIST       = 3   # item* rest
    CONS       = 4   # item* rest
    MAP        = 5   # (key value)*
    SET        = 6   # item*
    BIG_VECTOR = 7   # start count shift root tail*
    BIG_MAP    = 8   # count next-ordinal shift root
    BIG_SET    = 9   # count next-ordinal shift root
    NODE       = 10  # slot*, where a slot of a map or set is [key, value]
    LAZY       = 11  # thunk
    REALISED   = 12  # value
    LAZY_RUN   = 13  # item* rest: a realised lazy cell and a cons cell for each item
    RANGE      = 14  # start end step
    REPEAT     = 15  # count value
    INDEXED    = 16  # source index, where a source that is a tuple is an array
    TAGGED     = 17  # tag form
    REDUCED    = 18  # value
    ERROR      = 19  # type message data cause retryable code [(name, place)*]
    SYMBOL     = 20  # namespace name
    ATOM       = 21  # value validator watches
    VOLATILE   = 22  # value
    DELAY      = 23  # thunk value realised
    CLOSURE    = 24  # code captured*
    BINDINGS   = 25  # outer (name value)*
    PENDING    = 26  # error frame handler
    RECORD     = 27  # type fields (key value)*: how many of the keys are the type's fields
    BIG_RECORD = 28  # type fields count next-ordinal shift root
    SORTED_MAP = 29  # order (key value)*, or order root: a tree of nodes of one depth
    SORTED_SET = 30  # order item*, or order root
    REIFIED    = 31  # methods
    PROMISE    = 32  # state ticket value waiter*: numbers of fibers
    FIBER      = 33  # number state value waiter*
    CHANNEL    = 34  # size policy closed step failing [value*] [(taker tag)*] [(putter value tag)*]
    # fmt: on


FIBER_STATES = ("ready", "waiting", "done", "failed", "cancelled", "blocked")
MACHINE_STATES = ("ready", "waiting", "completed", "failed", "cancelled")
