"""Paging: every row once, in order, within one transaction or each page in its own."""

import pytest
from sqlalchemy import delete, insert, select

from registration import app_context
from registration.database import reading, writing
from registration.database.paging import pages, pages_apart
from registration.models import Organizer, Role

WANTED = select(Organizer.public_id, Organizer.id)


@pytest.fixture
def stored(app) -> list[str]:
    """Four rows, with a gap in their ids; the ids that are random."""
    add(*(f"{number:032x}" for number in range(5)))
    with writing() as tx:
        tx.execute(delete(Organizer).where(Organizer.public_id == f"{2:032x}"))
        return list(tx.scalars(select(Organizer.public_id).order_by(Organizer.id)))


def add(*public_ids: str) -> None:
    with writing() as tx:
        for public_id in public_ids:
            tx.execute(
                insert(Organizer).values(
                    public_id=public_id,
                    role=Role.PARTNER,
                    sealed=b"",
                    key_id="",
                    address_index=public_id.encode(),
                    added_at=app_context.now(),
                )
            )


@pytest.mark.parametrize(("size", "lengths"), [(1, [1, 1, 1, 1]), (2, [2, 2]), (3, [3, 1])])
def test_pages_have_every_row_once_in_order_of_the_key(stored, size, lengths):
    with reading() as tx:
        within = list(pages(tx, WANTED, Organizer.id, size))
    apart = [rows for rows, _keys in pages_apart(reading, WANTED, Organizer.id, size)]
    for found in (within, apart):
        assert [len(rows) for rows in found] == lengths
        assert [row.public_id for rows in found for row in rows] == stored


def test_no_page_is_read_where_no_row_is_wanted(stored):
    none = WANTED.where(Organizer.public_id == "")
    with reading() as tx:
        assert list(pages(tx, none, Organizer.id, 2)) == []
    assert list(pages_apart(reading, none, Organizer.id, 2)) == []


def test_pages_read_apart_have_what_was_added_after_the_first(stored):
    found = []
    for rows, _keys in pages_apart(reading, WANTED, Organizer.id, 4):
        found.extend(row.public_id for row in rows)
        if len(found) == 4:
            # A writer of the same thread would wait for a transaction that is still open.
            add("a" * 32)
    assert found == [*stored, "a" * 32]
