"""What pages and commands list: the discussions."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..models import Discussion


def every(session: Session) -> Sequence[Discussion]:
    """Return every discussion, unpublished ones too, the earliest first."""
    return session.scalars(select(Discussion).order_by(Discussion.starts_at, Discussion.slug)).all()


def public(session: Session) -> list[Discussion]:
    """Return every discussion that is not unpublished, the earliest first."""
    return [item for item in every(session) if item.is_public]
