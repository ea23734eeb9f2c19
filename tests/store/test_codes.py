"""The table of the store's errors."""

from __future__ import annotations

import re
from pathlib import Path

import flowmetal.store
from flowmetal.errors.codes_store import CODES


def test_every_code_that_is_raised_is_explained_and_every_explained_code_is_raised() -> None:
    sources = "".join(
        path.read_text() for path in Path(flowmetal.store.__file__).parent.rglob("*.py")
    )
    raised = set(re.findall(r'"(FM10\d\d)"', sources))
    assert raised == {code.code for code in CODES}
    assert [code.code for code in CODES] == sorted(raised)
    assert all(code.title and code.explanation for code in CODES)
