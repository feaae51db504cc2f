"""Writes and reads the audit log: which organizer did what, and when."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import insert, select, update

from ..database import Transaction
from ..models import ATTENDEE_DEEDS, AuditEntry, Deed, Organizer

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
    # An exact time would tell which erased id of the ledger's the organizer erased.
    day = tx.now.replace(hour=0, minute=0)
    entry = insert(AuditEntry).values(
        at=day if deed is Deed.ATTENDEE_ERASED else tx.now,
        organizer_id=by,
        deed=deed,
        subject_id=subject,
        slug=slug,
        count=count,
        detail=detail,
    )
    tx.execute(entry)


def forget_organizers(tx: Transaction, *, days: int) -> int:
    """Forget who did those deeds to single attendees that are older than `days`; return how many.

    The attendees are erased by then, so the entry only has to count.
    """
    old = update(AuditEntry).where(
        AuditEntry.deed.in_(ATTENDEE_DEEDS),
        AuditEntry.organizer_id.is_not(None),
        AuditEntry.at <= tx.now - timedelta(days=days),
    )
    forgotten = old.values(organizer_id=None, is_organizer_forgotten=True).returning(AuditEntry.id)
    return len(tx.scalars(forgotten).all())


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
