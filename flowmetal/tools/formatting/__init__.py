"""The formatter: the same forms, comments and literals, with white space as the community writes it.

``format_source`` is all there is for a caller. Inside: ``pieces`` takes the
text apart, ``indentation`` is the table of how calls are indented, ``macros``
finds what a file's own macros ask for, ``layout`` gives every piece its place.
"""

from __future__ import annotations

from flowmetal.reader import ReadOptions, read_all
from flowmetal.source import Source
from flowmetal.tools.formatting.indentation import STANDARD
from flowmetal.tools.formatting.layout import lay_out
from flowmetal.tools.formatting.macros import FindSource, macro_rules, nowhere
from flowmetal.tools.formatting.pieces import pieces_of

__all__ = ["format_source"]


def format_source(source: Source, find: FindSource = nowhere) -> str:
    """Return the text of ``source``, formatted. Raises ReadError for one that cannot be read.

    ``find`` answers with the sources of namespaces that this one requires, for
    the macros in them. Formatting twice is formatting once.
    """
    forms = read_all(source, ReadOptions(resolve_alias=lambda alias: alias or "user"))
    pieces = pieces_of(source.text)
    made = lay_out(pieces, {**STANDARD, **macro_rules(forms, find)})
    # A formatter that changes a program is worse than none: better to crash than to write that.
    assert [p.token for p in pieces_of(made)] == [p.token for p in pieces], source.path
    return made
