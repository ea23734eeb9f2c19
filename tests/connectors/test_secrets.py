"""From the name of a secret to the secret, and no way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowmetal.connectors.secrets import reveal, without
from flowmetal.effects.errors import effect_error
from flowmetal.effects.requests import EffectFailed
from flowmetal.values import Secret, from_json, hash_map, json_loads, vector


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        ("a s3cret b s3cret", "a #secret k b #secret k"),
        (b"a s3cret", b"a #secret k"),
        (
            from_json({"s3cret": [1, "xs3cretx"]}),
            hash_map([("#secret k", vector([1, "x#secret kx"]))]),
        ),
        ("nothing", "nothing"),
    ],
)
def test_the_name_stands_where_the_text_stood(value, hidden) -> None:
    assert without(value, {"s3cret": "k"}) == hidden


@pytest.mark.parametrize("text", ["12345678", "-1234", "1234.5", "7" * 30])
def test_a_secret_of_digits_is_hidden_where_it_stands_as_a_number(text: str) -> None:
    """JSON that repeated it had it in the history."""
    found = without(json_loads(f'{{"pin": [{text}, 12, "{text}"]}}'), {text: "k"})
    assert found == from_json({"pin": ["#secret k", 12, "#secret k"]})


@pytest.mark.parametrize("text", ["0200", "200.0", "2e02", "0x00c8"])
def test_a_number_that_is_written_otherwise_is_left(text: str) -> None:
    assert without(200, {text: "k"}) == 200


def test_an_error_is_freed_of_it_too() -> None:
    error = effect_error("FM0713", "sh/failed", "s3cret", {"out": "s3cret"})
    found = without(error, {"s3cret": "k"})
    assert "s3cret" not in repr(found)
    assert found.code == "FM0713"


def test_a_longer_secret_is_replaced_before_one_that_it_holds() -> None:
    assert without("abcdefgh", {"abcd": "short", "abcdefgh": "long"}) == "#secret long"


def test_a_file_of_a_secret_that_cannot_be_read_is_not_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin").write_bytes(b"p\xe4ss")
    for name, why in (("folder", "Is a directory"), ("latin", "it is no text in UTF-8")):
        with pytest.raises(EffectFailed) as caught:
            reveal(Secret(name), {"FLOWMETAL_SECRETS": str(tmp_path)})
        said = f"the file {name} in $FLOWMETAL_SECRETS cannot be read: {why}"
        assert (
            caught.value.error.message
            == f"this interpreter does not have the secret {name!r}: {said}"
        )
    with pytest.raises(EffectFailed, match="set FLOWMETAL_SECRET_NONE"):
        reveal(Secret("none"), {"FLOWMETAL_SECRETS": str(tmp_path)})
