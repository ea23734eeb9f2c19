from __future__ import annotations

from flowmetal.tools.formatting.pieces import COMMENT, pieces_of


def shape(text: str) -> list[tuple[str, int, bool, int]]:
    return [(piece.text, piece.breaks, piece.comma, piece.spaces) for piece in pieces_of(text)]


def test_white_space_belongs_to_the_piece_after_it() -> None:
    assert shape("a  b\n\n  c") == [("a", 0, False, 0), ("b", 0, False, 2), ("c", 2, False, 2)]


def test_a_comma_counts_only_on_the_line_of_the_piece_before() -> None:
    assert shape("a ,  b\n, c") == [("a", 0, False, 0), ("b", 0, True, 2), ("c", 1, False, 1)]


def test_comments_are_pieces_without_the_space_at_their_end() -> None:
    pieces = pieces_of("a ; b \n#!c\n;; d")
    assert [(piece.kind == COMMENT, piece.text) for piece in pieces] == [
        (False, "a"),
        (True, "; b"),
        (True, "#!c"),
        (True, ";; d"),
    ]


def test_what_looks_like_a_comment_in_a_string_is_none() -> None:
    assert [piece.text for piece in pieces_of('"; a" \\; b;c')] == ['"; a"', "\\;", "b", ";c"]
