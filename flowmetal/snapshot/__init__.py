"""Machines as bytes, and back: what makes a run survive its interpreter."""

from flowmetal.snapshot.chunks import references
from flowmetal.snapshot.decode import decode
from flowmetal.snapshot.encode import Encoded, encode, weigh

__all__ = ["Encoded", "decode", "encode", "references", "weigh"]
