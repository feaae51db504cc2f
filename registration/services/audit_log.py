"""The audit log: who did what, and when."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from ..models import AuditEntry, Deed

PAGE = 100


def note(
    session: Session,
    deed: Deed,
    *,
    now: datetime,
    by: int | None = None,
    subject: int | None = None,
    slug: str | None = None,
    count: int | None = None,
) -> None:
    """Write that a deed was done `by` an organizer, in the transaction that does it."""
    session.flush()
    entry = insert(AuditEntry).values(
        at=now, organizer_id=by, deed=deed, subject_id=subject, slug=slug, count=count
    )
    session.execute(entry)


def entries(session: Session, *, before: int | None = None) -> Sequence[AuditEntry]:
    """Return a page of the log, the last first: those before the entry of that id."""
    wanted = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(PAGE)
    if before is not None:
        wanted = wanted.where(AuditEntry.id < before)
    return session.scalars(wanted).all()
