"""Diagnostics as people and programs see them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from wcwidth import wcswidth

from flowmetal.embed.rendering import SourceFiles, render, to_json
from flowmetal.errors import Diagnostic, Label, ReadError
from flowmetal.reader import read_all
from flowmetal.source import Source, Span


def at(line: int, col: int, end_col: int, text: str = "", primary: bool = True) -> Label:
    return Label(Span("src/orders.flow", line, col, line, end_col), text, primary)


def shown(diagnostic: Diagnostic, text: str, width: int | None = None, full: bool = False) -> str:
    return render([diagnostic], {"src/orders.flow": text}, width=width, full=full)


def complaint_about(text: str) -> str:
    with pytest.raises(ReadError) as caught:
        read_all(Source("src/orders.flow", text))
    return render(caught.value.diagnostics, {"src/orders.flow": text})


def test_a_diagnostic_shows_the_line_the_one_before_and_the_whole_token() -> None:
    label = at(3, 6, 12, "not defined in orders, flow.core or this function")
    diagnostic = Diagnostic(
        "FM0102", "unknown name `printn`", (label,), help=("did you mean `println`?",)
    )
    text = "(defn main [x]\n  (let [total (reduce + x)]\n    (printn total)))"
    assert shown(diagnostic, text) == (
        "error[FM0102]: unknown name `printn`\n"
        "  --> src/orders.flow:3:6\n"
        "   |\n"
        " 2 |   (let [total (reduce + x)]\n"
        " 3 |     (printn total)))\n"
        "   |      ^^^^^^ not defined in orders, flow.core or this function\n"
        "help: did you mean `println`?"
    )


def test_a_second_place_is_underlined_with_dashes() -> None:
    assert complaint_about("(defn f [x]\n  (inc\n   x)\n\n(f 1)") == (
        "error[FM0011]: this `(` is never closed\n"
        "  --> src/orders.flow:1:1\n"
        "   |\n"
        " 1 | (defn f [x]\n"
        "   | ^ opened here\n"
        " 5 | (f 1)\n"
        "   | - a new top-level form starts here, so the missing `)` is probably at the end of line 3"
    )


def test_two_places_on_one_line_are_marked_one_below_the_other() -> None:
    assert complaint_about("{:a 1 :a 2}").split("\n")[3:] == [
        " 1 | {:a 1 :a 2}",
        "   |       ^^ here again",
        "   |  -- first here",
    ]


def test_carets_stand_under_wide_characters_and_after_tabs() -> None:
    lines = complaint_about('\t"漢字é" 1ab').split("\n")
    assert lines[3] == ' 1 |  "漢字é" 1ab'
    before = lines[3][: lines[3].index("1ab")]
    assert wcswidth(lines[4][: lines[4].index("^")]) == wcswidth(before)


def test_a_combining_mark_takes_no_column() -> None:
    lines = complaint_about('"e\u0301" 1ab').split("\n")
    assert lines[4] == "   |     ^^^ it starts like one"


def test_the_gutter_is_as_wide_as_the_last_line_number() -> None:
    lines = complaint_about("a\n" * 11 + "(1ab)").split("\n")
    assert lines[2:6] == ["    |", " 11 | a", " 12 | (1ab)", "    |  ^^^ it starts like one"]


def test_a_blank_line_before_is_left_out() -> None:
    assert complaint_about("a\n\n1ab").split("\n")[3].startswith(" 3 |")


def test_a_span_over_several_lines_is_underlined_to_the_end_of_the_first() -> None:
    label = Label(Span("src/orders.flow", 1, 1, 2, 3))
    assert shown(Diagnostic("FM0001", "m", (label,)), "(ab  \n c)").split("\n")[3:] == [
        " 1 | (ab",
        "   | ^^^",
    ]


@pytest.mark.parametrize("start", [1, 50, 150, 197])
def test_a_long_line_is_cut_with_the_caret_still_under_its_token(start: int) -> None:
    text = "".join(chr(ord("a") + n % 26) for n in range(200))
    lines = shown(Diagnostic("FM0001", "m", (at(1, start, start + 4),)), text, width=40).split("\n")
    assert len(lines[3]) <= 40
    mark = lines[4].index("^")
    assert lines[3][mark : mark + 4] == text[start - 1 : start + 3]
    assert lines[4].count("^") == 4


def test_a_token_longer_than_the_terminal_is_marked_as_far_as_it_is_shown() -> None:
    lines = shown(Diagnostic("FM0001", "m", (at(1, 1, 201),)), "x" * 200, width=40).split("\n")
    assert len(lines[3]) <= 40
    assert len(lines[4]) <= 40


def test_without_the_text_the_labels_are_said_without_an_excerpt() -> None:
    labels = (at(3, 6, 12, "not defined"), at(9, 1, 2, "but here", primary=False))
    assert render([Diagnostic("FM0102", "m", labels)], {}) == (
        "error[FM0102]: m\n  --> src/orders.flow:3:6\n   = not defined\n"
        "  --> src/orders.flow:9:1 but here"
    )


def test_a_place_outside_of_the_text_shows_no_excerpt() -> None:
    lines = shown(Diagnostic("FM0102", "m", (at(30, 6, 12),)), "(changed since)").split("\n")
    assert lines == ["error[FM0102]: m", "  --> src/orders.flow:30:6"]


def test_places_in_two_files_are_shown_one_after_the_other() -> None:
    other = Label(Span("src/util.flow", 1, 1, 1, 2), "defined here", primary=False)
    sources = {"src/orders.flow": "(f 1)", "src/util.flow": "(defn f [])"}
    diagnostic = Diagnostic("FM0103", "m", (other, at(1, 2, 3, "called here")))
    assert render([diagnostic], sources).split("\n") == [
        "error[FM0103]: m",
        "  --> src/orders.flow:1:2",
        "   |",
        " 1 | (f 1)",
        "   |  ^ called here",
        "  --> src/util.flow:1:1",
        "   |",
        " 1 | (defn f [])",
        "   | - defined here",
    ]


FRAMES = (
    ("demo/total", Span("src/demo.flow", 2, 18, 2, 24)),
    ("flow.core/reduce", None),
    ("flow.core/-reduce", None),
    ("demo/handler", Span("src/demo.flow", 3, 29, 3, 34)),
    ("top level", None),
)


def test_frames_of_all_its_namespaces_are_folded_but_not_those_of_a_like_name() -> None:
    frames = (
        ("flow.sh/sh!/fn-1", Span("flow/sh.flow", 1, 1, 1, 2)),
        ("flow.core/-effect!", Span("flow/core/effects.flow", 1, 1, 1, 2)),
        ("flow.mine/a", Span("src/flow/mine.flow", 1, 1, 1, 2)),
        ("flow.mine/b", Span("src/flow/mine.flow", 2, 1, 2, 2)),
    )
    assert render([Diagnostic("FM1201", "m", frames=frames)], {}).split("\n")[1:] == [
        "   ... 2 frames in the library, --full to see",
        "   in flow.mine/a   src/flow/mine.flow:1:1",
        "   in flow.mine/b   src/flow/mine.flow:2:1",
    ]


def test_frames_of_the_library_are_folded() -> None:
    assert render([Diagnostic("FM0301", "m", frames=FRAMES)], {}).split("\n")[1:] == [
        "   in demo/total     src/demo.flow:2:18",
        "   ... 2 frames in flow.core, --full to see",
        "   in demo/handler   src/demo.flow:3:29",
        "   in top level",
    ]


def test_a_frame_that_stands_many_times_is_named_once() -> None:
    deep = (*[FRAMES[0]] * 40, ("... 900 more frames", None), *[FRAMES[0]] * 2, FRAMES[-1])
    assert render([Diagnostic("FM0301", "m", frames=deep)], {}).split("\n")[1:] == [
        "   in demo/total   src/demo.flow:2:18",
        "   ... 39 times more",
        "   ... 900 more frames",
        "   in demo/total   src/demo.flow:2:18",
        "   in demo/total   src/demo.flow:2:18",
        "   in top level",
    ]
    assert render([Diagnostic("FM0301", "m", frames=deep)], {}, full=True).count("demo/total") == 42


def test_all_frames_are_shown_when_asked_for() -> None:
    text = render([Diagnostic("FM0301", "m", frames=FRAMES)], {}, full=True)
    assert "in flow.core/-reduce" in text
    assert "..." not in text


def test_context_notes_and_help_come_last_in_this_order() -> None:
    diagnostic = Diagnostic(
        "FM0714", "m", notes=("n1", "n2"), help=("do this",), context=("run 7f3c",), level="warning"
    )
    assert render([diagnostic], {}).split("\n") == [
        "warning[FM0714]: m",
        "   run 7f3c",
        "note: n1",
        "note: n2",
        "help: do this",
    ]


def test_a_blank_line_stands_between_two() -> None:
    assert render([Diagnostic("A", "m"), Diagnostic("B", "n")], {}) == "error[A]: m\n\nerror[B]: n"


def test_what_would_steer_a_terminal_is_replaced() -> None:
    label = at(1, 2, 3, "\x1b[31mlabel")
    diagnostic = Diagnostic(
        "FM0001", "\x1b]0;title\x07", (label,), ("\x9b1m",), ("\x1b",), (("\x1b", None),),
        context=("\u202ex",),
    )  # fmt: skip
    text = shown(diagnostic, '(a "\x1b[2J\u202e")')
    assert all(char.isprintable() or char == "\n" for char in text)


def test_colour_comes_only_when_asked_for_and_changes_nothing_else() -> None:
    import re

    diagnostic = Diagnostic("FM0102", "m", (at(1, 2, 3, "l"),), help=("h",))
    sources = {"src/orders.flow": "(f)"}
    coloured = render([diagnostic], sources, colour=True)
    assert "\x1b[" in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == render([diagnostic], sources)


def test_source_files_are_read_by_path_and_other_files_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.flow").write_text("(f)")
    Path("b.txt").write_text("secret")
    files = SourceFiles()
    assert files.get("a.flow") == "(f)"
    assert [files.get(path) for path in ("b.txt", "none.flow", "x\0.flow", "<repl>")] == [None] * 4
    assert list(files) == ["a.flow"]
    label = Label(Span("a.flow", 1, 2, 1, 3), "here")
    assert " 1 | (f)\n   |  ^ here" in render([Diagnostic("FM0001", "m", (label,))])


def test_json_has_every_part_and_is_json() -> None:
    diagnostic = Diagnostic(
        "FM0301", "m", (at(3, 6, 12, "l"),), ("n",), ("h",), FRAMES[:2], context=("c",)
    )
    assert json.loads(json.dumps(to_json(diagnostic))) == {
        "code": "FM0301",
        "level": "error",
        "message": "m",
        "spans": [
            {
                "file": "src/orders.flow",
                "line": 3,
                "col": 6,
                "end-line": 3,
                "end-col": 12,
                "label": "l",
                "primary?": True,
            }
        ],
        "notes": ["n"],
        "help": ["h"],
        "fixes": [],
        "frames": [
            {
                "name": "demo/total",
                "span": {
                    "file": "src/demo.flow",
                    "line": 2,
                    "col": 18,
                    "end-line": 2,
                    "end-col": 24,
                },
            },
            {"name": "flow.core/reduce", "span": None},
        ],
        "context": ["c"],
        "cause": None,
    }
