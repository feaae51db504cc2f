"""Merges what two organizers type into one discussion at once, and lists what contradicts."""

from dataclasses import dataclass

from sqlalchemy import select

from ...database import Transaction
from ...discussion_file import form_values
from ...discussion_file.form_values import Typed
from ...models import Discussion, Revision


@dataclass(frozen=True, slots=True)
class Opened:
    """What a form was opened with: the discussion's version, and the `form_values.digest_parts`."""

    version: int
    marks: dict[str, str]


@dataclass(frozen=True, slots=True)
class Clash:
    """A part of the form that somebody else has changed, with both values.

    `is_kept` is true where this form had changed it too: then `mine` stays in the form.
    """

    about: str
    mine: Typed
    theirs: Typed
    is_kept: bool


def merge(
    written: Typed, was: dict[str, str], changed: dict[str, Typed]
) -> tuple[Typed, list[Clash]]:
    """Return the values with those that others `changed`, and a clash for each that differs.

    `was` has the marks of the values before the others changed them.
    """
    merged, clashes = dict(written), []
    mine, marks = form_values.parts(written), form_values.digest_parts(written)
    for about, theirs in changed.items():
        if mine[about] == form_values.parts(theirs)[about]:
            continue
        is_kept = was.get(about) != marks[about]
        if not is_kept:
            form_values.copy_part(merged, theirs, about)
        clashes.append(Clash(about, written, theirs, is_kept))
    return merged, clashes


def published_since(
    tx: Transaction, discussion: Discussion | None, version: int
) -> dict[str, Typed]:
    """Return the parts that were published after `version`, each with the values of now."""
    if discussion is None or version == discussion.version:
        return {}
    is_now = form_values.from_announcement(discussion.announcement)
    was = form_values.digest_parts(typed_at(tx, discussion, version))
    marks = form_values.digest_parts(is_now)
    return {about: is_now for about in marks if marks[about] != was[about]}


def typed_at(tx: Transaction, discussion: Discussion | None, version: int) -> Typed:
    """Return the form values of a version of a discussion."""
    if discussion is None:
        return form_values.empty_form()
    revision = tx.scalar(
        select(Revision).where(Revision.discussion_id == discussion.id, Revision.number == version)
    )
    return (
        form_values.from_announcement(revision.announcement)
        if revision
        else form_values.empty_form()
    )
