"""Where runs live. The only interface between interpreters, and to the outside.

``protocol`` says what a store is, ``open_store`` opens one by its address. The
implementations are loaded when an address asks for them.
"""

from flowmetal.store.protocol import Store
from flowmetal.store.urls import open_store

__all__ = ["Store", "open_store"]
