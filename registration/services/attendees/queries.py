"""Queries that the table, the export and the search of attendees share."""

from sqlalchemy import ScalarSelect, select

from ...models import Letter, LetterState, Registration


def last_letter_state() -> ScalarSelect[LetterState]:
    """Return the state of a registration's newest letter; NULL if it has none."""
    return (
        select(Letter.state)
        .where(Letter.registration_id == Registration.id)
        .order_by(Letter.id.desc())
        .limit(1)
        .scalar_subquery()
    )
