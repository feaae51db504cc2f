"""Refuses a button whose page shows what is not true any more: others may have changed it."""

from typing import Any

from ..crypto.digests import digest_shown, is_shown
from ..database import Transaction
from ..models import Discussion, Registration
from ..refusals import N_, Refusal


class ChangedSinceShown(Refusal):
    """What the button confirms has changed since its page was shown; nothing was done."""

    sentence = N_(
        "This page has changed since you opened it, so nothing was done. Check it, then press the "
        "button again."
    )


def digest(tx: Transaction, purpose: str, facts: object) -> str:
    """Return the digest that a button of a page carries."""
    return digest_shown(tx.keys.secret("shown"), purpose, facts)


def refuse_if_changed(tx: Transaction, purpose: str, facts: object, seen: str) -> None:
    """Raise `ChangedSinceShown` unless `seen` is the digest of the facts as they are now."""
    if not is_shown(seen, tx.keys.secret("shown"), purpose, facts):
        raise ChangedSinceShown


def facts_of(tx: Transaction, registration: Registration, discussion: Discussion) -> dict[str, Any]:
    """Return what a page about a registration shows, and others than its reader can change."""
    attendee, content = registration.attendee(tx.keys), discussion.content
    return {
        "public_id": registration.public_id,
        "status": registration.status,
        "text": [attendee.name, attendee.address, attendee.affiliation, attendee.new_address],
        "answers": attendee.answers,
        "shared_with": attendee.shared_with,
        "zone": attendee.zone,
        "wants_follow_up": registration.wants_follow_up,
        "discussion": [content.title, content.subtitle, discussion.when, discussion.status],
        "questions": [[question.key, question.label] for question in content.questions],
    }
