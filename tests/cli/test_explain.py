from __future__ import annotations

import json

from flowmetal.embed.explaining import all_codes


def test_a_code_is_explained_with_a_wrong_and_a_right_example(shell) -> None:
    shown = shell("fmc", "explain", "fm1309")
    assert shown.status == 0
    assert shown.out.startswith("FM1309: ")
    assert "wrong:\n    fmvm run prog.flow --tag urgent" in shown.out
    assert "right:\n    fmvm run prog.flow --tag priority=urgent" in shown.out


def test_all_codes_are_listed(shell) -> None:
    listed = json.loads(shell("fmc", "explain", "--json").out)
    assert [row["code"] for row in listed] == list(all_codes())


def test_an_unknown_code_is_wrong_usage(shell) -> None:
    shown = shell("fmc", "explain", "FM9999")
    assert shown.status == 2
    assert "FM1315" in shown.err
    assert shown.out == ""
