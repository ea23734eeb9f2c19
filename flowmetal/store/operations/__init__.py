"""What runs do to each other and to shared durable things, inside of the store.

An **operation** is a frozen value of ``vocabulary.py``: start a run, take a
permit, put a key. It is performed by the store inside the very transaction that
commits the request (``Commit.operations``), after the compare-and-swap, or in a
transaction of its own for whoever is no run (``Store.operate``).

Its **answer** is a map. A run gets it as a message in its own inbox, of kind
``result`` and with the id ``effect/GENERATION.NUMBER``: in the same transaction, or
in the one of whoever lets the wait end (a permit is released, a child ends, a
callback is completed). So three promises of the inbox do the work here too: an
id comes in once (no second answer), what is unseen wakes its run (no lost
wake-up), and what is acknowledged is durable. A run that waits costs a row.

The logic is written once, over ``records.py``: rows in named spaces that every
store keeps in its own way. Rules that must stay true:

- An operation does not raise: what the program got wrong is an answer with ``:error``.
  What is raised is the world's or our own fault, and undoes the transaction.
- Whatever a run holds or waits for hangs on it by a **tie** (``ties.py``). ``end_run``
  cuts all ties in the commit that ends the run: nothing is held by the dead.
- What is due (leases, expiries, delays) is done by whoever comes first: by an
  operation on the same thing, or by ``attend``, which interpreters call. Nothing
  depends on somebody being there in time.
- Rows of one thing begin with its name and a tab, so that names are printable text.
"""

from flowmetal.store.operations.performing import (
    attend,
    end_run,
    operate,
    perform_all,
    revive_run,
)

__all__ = ["attend", "end_run", "operate", "perform_all", "revive_run"]
