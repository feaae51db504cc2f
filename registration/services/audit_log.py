"""Writes and reads the audit log: which organizer did what, and when."""

from dataclasses import dataclass

from sqlalchemy import insert, select

from ..database import Transaction
from ..models import AuditEntry, Deed, Organizer

ENTRIES_A_PAGE = 100


def note(
    tx: Transaction,
    deed: Deed,
    *,
    by: int | None = None,
    subject: int | None = None,
    slug: str | None = None,
    count: int | None = None,
    detail: str | None = None,
) -> None:
    """Add an entry in the transaction that does the deed.

    `by` is the id of the organizer who acted, None for the operator; `subject` the id of the
    organizer to whom it was done.
    """
    tx.flush()
    entry = insert(AuditEntry).values(
        at=tx.now,
        organizer_id=by,
        deed=deed,
        subject_id=subject,
        slug=slug,
        count=count,
        detail=detail,
    )
    tx.execute(entry)


@dataclass(frozen=True, slots=True)
class ReadableEntry:
    """An entry with the addresses of the organizers whose ids it has."""

    entry: AuditEntry
    by: str | None
    subject: str | None


def read_page(tx: Transaction, *, before: int | None = None) -> list[ReadableEntry]:
    """Return `ENTRIES_A_PAGE` entries, the newest first; with `before`, older ones than that id."""
    wanted = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(ENTRIES_A_PAGE)
    if before is not None:
        wanted = wanted.where(AuditEntry.id < before)
    everybody = tx.scalars(select(Organizer)).all()
    named = {item.id: item.identity(tx.keys).address for item in everybody}
    return [
        ReadableEntry(entry, named.get(entry.organizer_id or 0), named.get(entry.subject_id or 0))
        for entry in tx.scalars(wanted)
    ]
