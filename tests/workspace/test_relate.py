from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from samples import EXAMPLES

from deepanalyze_cli.workspace import Relation, open_unboxed

Write = Callable[[str, str | bytes], Path]


def relations(write: Write, **tables: str) -> list[tuple[str, str, str, float]]:
    paths = [write(f"{name}.csv", content) for name, content in tables.items()]
    return [
        (f"{r.left_table}.{r.left_column}", f"{r.right_table}.{r.right_column}", r.cardinality, round(r.matched, 2))
        for r in open_unboxed(paths).relations
    ]


def test_flights() -> None:
    found = open_unboxed([EXAMPLES / "flights"]).relations
    assert [(r.left_table, r.left_column, r.right_table, r.right_column, r.cardinality) for r in found] == [
        ("flights", "carrier", "airlines", "carrier", "n:1"),
        ("flights", "tailnum", "planes", "tailnum", "n:1"),
        ("flights", "origin", "airports", "faa", "n:1"),
        ("flights", "dest", "airports", "faa", "n:1"),
        ("weather", "origin", "airports", "faa", "n:1"),
    ]
    assert [r.matched for r in found] == pytest.approx([1, 284170 / 334264, 1, 329174 / 336776, 1])
    assert isinstance(found[0], Relation)


CUSTOMERS = "id,name\n" + "".join(f"{i},Ann {i}\n" for i in range(1, 9))
ORDERS = "id,customer_id,month\n" + "".join(f"{i},{i % 8 + 1},{i % 5 + 1}\n" for i in range(1, 31))


def test_names_that_refer(write: Write) -> None:
    assert relations(write, customers=CUSTOMERS, orders=ORDERS) == [("orders.customer_id", "customers.id", "n:1", 1.0)]
    moved = ORDERS.replace("customer_id", "shipToCustomerID")
    assert relations(write, customers=CUSTOMERS, orders=moved)[0][:2] == ("orders.shipToCustomerID", "customers.id")
    assert relations(write, customers=CUSTOMERS, orders=ORDERS.replace("customer_id", "amount")) == []


def test_values_that_refer(write: Write) -> None:
    codes = "iso,name\n" + "".join(f"{c}X,Land {c}\n" for c in "ABCDEFGH")
    visits = "land,days\n" + "".join(f"{c}X,{i}\n" for i, c in enumerate("ABCABCDD"))
    assert relations(write, codes=codes, visits=visits) == [("visits.land", "codes.iso", "n:1", 1.0)]
    assert relations(write, codes=codes, visits=visits.replace("DX", "ZX").replace("CX", "YX")) == []


def test_partly_matched(write: Write) -> None:
    left = "sku,n\n" + "".join(f"s{i % 10},{i}\n" for i in range(20))
    right = "sku,price\n" + "".join(f"s{i},{i * 7}\n" for i in range(6))
    assert relations(write, left=left, right=right) == [("left.sku", "right.sku", "n:1", 0.6)]


def test_one_to_one_is_said_once(write: Write) -> None:
    a = "person_id,age\n" + "".join(f"{i},{i}\n" for i in range(10))
    b = "person_id,town\n" + "".join(f"{i},t{i % 2}\n" for i in range(8))
    assert relations(write, a=a, b=b) == [("b.person_id", "a.person_id", "1:1", 1.0)]


def test_many_to_many(write: Write) -> None:
    a = "shop_id,week,sales\n" + "".join(f"{i % 4},{i % 3},{i}\n" for i in range(12))
    b = "shop_id,week,staff\n" + "".join(f"{i % 4},{i % 3},{i % 2}\n" for i in range(12))
    assert relations(write, a=a, b=b) == [("a.shop_id", "b.shop_id", "n:m", 1.0)]


def test_parts_of_one_table_are_not_partners(write: Write) -> None:
    part = "id,sku\n" + "".join(f"{i},s{i}\n" for i in range(10))
    assert relations(write, sales_2023=part, sales_2024=part) == []
