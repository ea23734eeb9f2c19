"""Every code of ``flowmetal/errors`` has an agreed text: what its user sees, compared word for word by a test."""

from __future__ import annotations

import pytest

from flowmetal.embed.explaining import all_codes
from flowmetal.errors.remedies import REMEDIES
from tests.house.sessions import GOLDEN, HOST

FILES = sorted(GOLDEN.rglob("FM*.txt"))


def test_every_code_has_an_agreed_text() -> None:
    assert sorted(all_codes().keys() - {file.stem for file in FILES}) == []


def test_every_agreed_text_is_of_a_code() -> None:
    assert sorted({file.stem for file in FILES} - all_codes().keys()) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_an_agreed_text_has_its_code_and_nothing_of_the_host(file) -> None:
    text = file.read_text("utf-8")
    assert file.stem in text
    assert not HOST.search(text)


def test_every_remedy_is_that_of_a_code_and_is_a_line() -> None:
    assert sorted(REMEDIES.keys() - all_codes().keys()) == []
    assert [code for code, text in REMEDIES.items() if len(text) > 100 or text.endswith(".")] == []
