"""cl-format with formats that are wrong or ask for too much. What is right is compared with Clojure."""

from __future__ import annotations

import pytest

from flowmetal.stdlib.natives.cl_format import cl_format
from flowmetal.stdlib.natives.english import cardinal, ordinal
from flowmetal.values import FlowError, Value, ratio, vector

WRONG: dict[str, tuple[Value, ...]] = {
    "~": (),
    "~q": (1,),
    "~a": (),
    "~{~a": ((),),
    "~a~}": (1,),
    "~(~a~]": (1,),
    "~;": (),
    "~9999999999d": (1,),
    "~9999999999%": (),
    "~,9999999999f": (1.5,),
    "~5*~a": (1,),
    "~{x~}": (vector([1]),),
    "~9999{x~}": (vector([1]),),
    "~c": ("text",),
    "~[a~;b~]": ("text",),
    "~:[a~]": (1,),
    "~99r": (1,),
    "~(" * 1000: (),
    "~vd": ("text", 1),
    "~v{~a~}": ("text", vector([1])),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_format_is_an_error_of_the_language(text: str) -> None:
    with pytest.raises(FlowError) as caught:
        cl_format(text, vector(WRONG[text]))
    assert caught.value.error.code == "FM0528"


def test_digits_of_large_numbers_are_not_lost() -> None:
    number = 10**1000 + 7
    assert cl_format("~f", vector([number])) == f"{number}.0"


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "text", None, vector([1])])
def test_what_is_no_number_is_written_as_it_is(value: Value) -> None:
    assert cl_format("~f~,2f~e~$~d~r", vector([value] * 6)) == cl_format("~a", vector([value])) * 6


def test_words_of_numbers() -> None:
    assert (cardinal(1_000_001), ordinal(40)) == ("one million, one", "fortieth")


def test_a_ratio_that_no_float_holds_is_written_as_it_is() -> None:
    large = ratio(10**400, 3)
    assert cl_format("~f", vector([large])) == str(large)
