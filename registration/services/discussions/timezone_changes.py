"""Finds coming discussions whose UTC time differs under a new time zone database, and moves them.

Local time stays the same. Attendees are owed a letter, as for any other new time.
"""

import zoneinfo
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import select

from ...database import Transaction
from ...models import Discussion, When
from .. import catalog
from . import change
from .change import Before


@dataclass(frozen=True, slots=True)
class Finding:
    """A discussion whose stored instants differ from what its zone says now.

    `now_is` is None if the time zone database has lost the zone: then the instants stay.
    """

    slug: str
    was: When
    now_is: When | None
    letters: int = 0


def describe(finding: Finding) -> str:
    """Return a sentence about a finding, for the operator."""
    zone = finding.was.zone
    if finding.now_is is None:
        return f"{finding.slug}: the zone {zone} is not known any more; what was announced stays."
    return (
        f"{finding.slug}: {zone} has another offset now: it begins at "
        f"{finding.now_is.starts_at:%Y-%m-%d %H:%M} UTC, not at "
        f"{finding.was.starts_at:%Y-%m-%d %H:%M}; letters owed: {finding.letters}."
    )


def find_changes(tx: Transaction) -> list[Finding]:
    """Return every coming discussion whose instants differ, or with an unknown zone."""
    coming = select(Discussion).where(Discussion.ends_at > tx.now, Discussion.zone.is_not(None))
    return list(_compare(tx.scalars(coming.order_by(Discussion.starts_at))))


def apply_changes(tx: Transaction) -> list[Finding]:
    """Store the new instants, owe letters about them, and return all findings."""
    done = []
    for finding in find_changes(tx):
        if finding.now_is is None:
            done.append(finding)
            continue
        discussion = catalog.find(tx, finding.slug, lock=True)
        # Another process may have changed it meanwhile.
        if discussion.when != finding.was:
            continue
        before = Before.of(discussion)
        discussion.when = finding.now_is
        owed = change.follow(tx, discussion, before, resets_reminders=True)
        done.append(Finding(finding.slug, finding.was, finding.now_is, owed))
    return done


def _compare(discussions: Iterable[Discussion]) -> Iterator[Finding]:
    for discussion in discussions:
        was = discussion.when
        try:
            now_is = When.of(was.starts_local, was.ends_local, was.zone, all_day=was.all_day)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            yield Finding(discussion.slug, was, None)
        else:
            if now_is != was:
                yield Finding(discussion.slug, was, now_is)
