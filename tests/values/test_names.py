"""Keywords and symbols."""

from __future__ import annotations

import copy
import gc
import pickle
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmetal.errors import FlowmetalError
from flowmetal.reader import read_string
from flowmetal.values import Keyword, equal, hash_map, keyword, symbol
from flowmetal.values.names import _interned, reads_as_keyword


def test_keywords_with_the_same_text_are_one_object():
    assert keyword("a/b") is keyword("a/b") is Keyword.of("a", "b")
    assert keyword("b") is Keyword.of(None, "b")
    assert keyword("a") is not keyword("b")
    assert copy.deepcopy(keyword("a")) is keyword("a")
    assert pickle.loads(pickle.dumps(keyword("a"))) is keyword("a")


@pytest.mark.parametrize(
    ("text", "ns", "name"),
    [
        ("a", None, "a"),
        ("a/b", "a", "b"),
        ("/", None, "/"),
        ("a//", "a", "/"),
        ("a/b/c", "a", "b/c"),
        ("/a", None, "/a"),
    ],
)
def test_a_name_is_split_at_its_first_slash(text, ns, name):
    for made in (keyword(text), symbol(text)):
        assert (made.ns, made.name, made.text) == (ns, name, text)


def test_a_keyword_that_nobody_holds_is_forgotten():
    keyword("nobody/holds-me")
    gc.collect()
    assert "nobody/holds-me" not in _interned
    held = keyword("somebody/holds-me")
    gc.collect()
    assert keyword("somebody/holds-me") is held


def test_threads_agree_on_one_keyword():
    barrier = Barrier(8)
    found: list[Keyword] = []

    def intern_all() -> None:
        barrier.wait()
        found.extend(keyword(f"thread/k{number}") for number in range(200))

    threads = [Thread(target=intern_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(made) for made in found}) == 200


def test_symbols_are_equal_whatever_their_metadata():
    plain, marked = symbol("a"), symbol("a").with_meta(hash_map([(1, 2)]))
    assert equal(plain, marked)
    assert hash_map([(plain, 1)]).get(marked) == 1
    assert marked.with_meta(None).meta is None


@given(st.one_of(st.text(max_size=6), st.text("ab/:1'#.é", max_size=6)))
def test_what_reads_as_a_keyword_is_what_the_reader_says(text):
    try:
        read = read_string(":" + text)
    except FlowmetalError:
        read = None
    assert reads_as_keyword(text) == (read is keyword(text))
