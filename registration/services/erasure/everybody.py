"""Erases everybody of a discussion, or of the whole installation, on an administrator's word.

One transaction marks the discussions and drops the letters that wait. The request itself, and the
worker after it, erase the marked registrations in batches: a request that is cut, or a server that
is killed, leaves nothing undone for long. The ledger keeps the random ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import exists, func, select, update

from ... import outbox
from ...database import Transaction
from ...models import Discussion, Registration
from .. import catalog
from . import erasures
from .erasures import Receipt


@dataclass(frozen=True, slots=True)
class Count:
    """How many registrations a discussion has, and whether they are being erased."""

    discussion: Discussion
    registrations: int
    is_marked: bool


def count(tx: Transaction) -> Sequence[Count]:
    """Return the numbers of every discussion, the one that starts last first."""
    by_id = dict(
        tx.execute(
            select(Registration.discussion_id, func.count()).group_by(Registration.discussion_id)
        ).all()
    )
    return [
        Count(item, by_id.get(item.id, 0), item.erase_registered_until is not None)
        for item in tx.scalars(select(Discussion).order_by(Discussion.starts_at.desc()))
    ]


def mark(tx: Transaction, slug: str | None) -> int:
    """Mark everybody of a discussion, or of all without a `slug`, to be erased at once; return how
    many. Their letters are not sent any more. Raises `NoSuchDiscussion`."""
    wanted = select(Discussion.id).order_by(Discussion.id)
    if slug is not None:
        wanted = wanted.where(Discussion.id == catalog.find_id(tx, slug))
    ids = tx.scalars(wanted).all()
    tx.execute(
        update(Discussion).where(Discussion.id.in_(ids)).values(erase_registered_until=tx.now)
    )
    for discussion_id in ids:
        outbox.drop_of_discussion(tx, discussion_id)
    marked = select(func.count()).where(Registration.discussion_id.in_(ids))
    return tx.scalars(marked).one()


def has_marked(tx: Transaction) -> bool:
    """Whether registrations are marked, and not erased yet."""
    return bool(tx.scalar(select(exists().where(Discussion.erase_registered_until.is_not(None)))))


def erase_marked(tx: Transaction, *, letters: Path | None) -> Receipt:
    """Erase a batch of what is marked in one discussion; if nothing is left, remove its mark."""
    marked = select(Discussion).where(Discussion.erase_registered_until.is_not(None)).limit(1)
    discussion = tx.scalar(marked.with_for_update())
    if discussion is None or discussion.erase_registered_until is None:
        return Receipt()
    until = discussion.erase_registered_until
    receipt = erasures.erase_registered(tx, discussion.id, until, letters=letters)
    if not receipt.every_id:
        discussion.erase_registered_until = None
    return receipt
