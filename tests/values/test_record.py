"""Records: maps with a type."""

from __future__ import annotations

import pytest

from flowmetal.values import (
    DataError,
    Map,
    Record,
    decode_data,
    encode_data,
    equal,
    hash_map,
    hash_of,
    json_dumps,
    keyword,
    pr_str,
    record_of,
)
from flowmetal.values.classes import ancestry, class_name, class_named

ID, TOTAL, MORE = keyword("id"), keyword("total"), keyword("more")


def order(id=1, total=2) -> Record:
    return record_of("shop/Order", [ID, TOTAL], [id, total])


def test_a_record_equals_records_of_its_type_only() -> None:
    assert equal(order(), order())
    assert not equal(order(), hash_map([(ID, 1), (TOTAL, 2)]))
    assert not equal(hash_map([(ID, 1), (TOTAL, 2)]), order())
    assert not equal(order(), record_of("shop/Bill", [ID, TOTAL], [1, 2]))
    assert hash_of(order()) == hash_of(order())
    assert hash_of(order()) != hash_of(order().plain())


def test_a_record_without_a_field_is_a_map() -> None:
    assert type(order().dissoc(ID)) is Map
    assert type(order().assoc(MORE, 1).dissoc(MORE)) is Record
    assert order().dissoc(keyword("none")) == order()


def test_a_record_of_many_entries_is_still_one() -> None:
    made = order()
    for n in range(200):
        made = made.assoc(n, n)
    assert made.fields == (ID, TOTAL)
    assert type(made.dissoc(7)) is Record
    assert type(made.dissoc(TOTAL)) is Map
    assert equal(decode_data(encode_data(made)), made)


def test_a_record_prints_its_type() -> None:
    assert pr_str(order()) == "#shop.Order{:id 1, :total 2}"
    assert json_dumps(order()) == '{"id":1,"total":2}'


def test_a_record_comes_back_from_bytes() -> None:
    back = decode_data(encode_data(order().assoc(MORE, order())))
    assert type(back) is Record
    assert back == order().assoc(MORE, order())
    assert back.fields == (ID, TOTAL)


def test_bytes_of_a_record_that_lacks_a_field_are_refused() -> None:
    good = encode_data(order())
    at = good.index(b"\x02\x82")  # the number of its fields, then its map
    with pytest.raises(DataError):
        decode_data(good[:at] + b"\x03" + good[at + 1 :])
    with pytest.raises(DataError):
        decode_data(good[:at] + b"\xff" + good[at + 1 :])


def test_classes_have_clojures_names() -> None:
    assert class_name(1) == "java.lang.Long"
    assert class_name(1 << 70) == "clojure.lang.BigInt"
    assert class_name(order()) == "shop/Order"
    assert class_named("String") == "java.lang.String"
    assert class_named("Strin") is None
    assert "java.lang.Number" in ancestry("java.lang.Long")
    assert "clojure.lang.IRecord" in ancestry("shop/Order")
    assert ancestry("nil") == ("nil",)


def test_every_class_of_the_table_ends_in_object() -> None:
    from flowmetal.values import classes

    for name in classes._TABLE:
        assert ancestry(name)[-1] == "java.lang.Object"
        assert all(above in classes._TABLE for above in ancestry(name))
