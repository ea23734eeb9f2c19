"""Every complaint of the reader, word for word: ``tests/golden/reader/CODE.txt``.

To accept new wording, delete the file of the code and run this test twice.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from flowmetal.embed.rendering import render
from flowmetal.errors import ErrorCode, ReadError
from flowmetal.errors.codes_reader import CODES
from flowmetal.reader import ReadOptions, read_string

GOLDEN = Path(__file__).parent.parent / "golden" / "reader"
WITH_EXAMPLES = [row for row in CODES if row.wrong]


@pytest.mark.parametrize("row", WITH_EXAMPLES, ids=lambda row: row.code)
def test_each_complaint_is_worded_as_agreed(row: ErrorCode) -> None:
    with pytest.raises(ReadError) as caught:
        read_string(row.wrong, ReadOptions(edn=row.code == "FM0046"), "example.flow")
    shown = render(caught.value.diagnostics, {"example.flow": row.wrong}, width=80) + "\n"
    file = GOLDEN / f"{row.code}.txt"
    if not file.exists():
        file.write_text(shown, "utf-8")
        pytest.fail(f"{file.name} was missing and is written; read it")
    assert shown == file.read_text("utf-8")
    assert shown.count("\n") <= 12
    assert not any(word in shown for word in ("Traceback", ".py", "0x7f"))


def test_no_agreed_wording_is_left_over() -> None:
    assert {file.stem for file in GOLDEN.glob("*.txt")} == {row.code for row in WITH_EXAMPLES}
