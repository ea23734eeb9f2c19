"""Text becomes forms.

``read_all`` for a whole file, ``read_forms`` for one form at a time while the
earlier ones are being evaluated, ``read_string`` for one form. All raise
``ReadError`` with every complaint, or its subclass ``Incomplete`` when the text
is a proper beginning and only lacks what could still be typed.

Inside: ``tokens`` cut the text, ``delimiters`` sees to brackets, ``grammar``
makes nodes, ``build`` makes values.
"""

from flowmetal.errors import Incomplete, ReadError
from flowmetal.reader.build import ReadForm
from flowmetal.reader.decoding import decode_source
from flowmetal.reader.options import ReadOptions
from flowmetal.reader.reading import (
    read_all,
    read_all_with_spans,
    read_forms,
    read_forms_from,
    read_string,
)

__all__ = [
    "Incomplete",
    "ReadError",
    "ReadForm",
    "ReadOptions",
    "decode_source",
    "read_all",
    "read_all_with_spans",
    "read_forms",
    "read_forms_from",
    "read_string",
]
