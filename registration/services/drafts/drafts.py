"""Saves, merges, deletes and publishes drafts of discussions, as typed in the browser.

A discussion has one draft. A form says what it was opened with, so that saving it never undoes
changes of others that its author has not seen.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ...database import Transaction, comparable
from ...discussion_file import SLUG, announce, form_values
from ...discussion_file.form_values import Typed
from ...models import Announcement, Deed, Discussion, Draft, Organizer, Role
from ...refusals import N_, Refusal
from .. import audit_log, catalog
from ..catalog import NoSuchDiscussion
from ..discussions import publication
from ..discussions.publication import Outcome, Publication
from ..organizers import accounts
from .conflicts import Clash, Opened, merge, published_since, typed_at


class SlugTaken(Refusal):
    """Another discussion or draft has that slug."""

    sentence = N_("is taken: another discussion or draft has it.")


class SlugMalformed(SlugTaken):
    """No discussion can have that slug."""

    sentence = N_("may hold small letters a-z, digits and single hyphens between them.")


class SlugSavedMeanwhile(SlugTaken):
    """Somebody else saved a draft of that slug at the same moment."""

    sentence = N_("%(slug)s was saved by somebody else just now.")


class NoDraft(Refusal):
    """There is nothing to publish: it was published or discarded already."""

    sentence = N_("%(slug)s has no draft: it was published or deleted already.")


class ChangedSinceSeen(Refusal):
    """The draft or the discussion has changed since it was looked at."""

    sentence = N_("Somebody else has changed this meanwhile: look at it again.")


class ChangedMeanwhile(Refusal):
    """Somebody else has changed what is being saved.

    `merged` has the form's values with those changes; `opened` is what the form is opened with now.
    """

    sentence = N_("Somebody else has changed this meanwhile.")

    def __init__(self, opened: Opened, merged: Typed, clashes: list[Clash]) -> None:
        self.opened = opened
        self.merged = merged
        self.clashes = clashes
        super().__init__()


@dataclass(frozen=True, slots=True)
class Standing:
    """A discussion and its draft; one of them may be missing."""

    slug: str
    discussion: Discussion | None
    draft: Draft | None

    @property
    def typed(self) -> Typed:
        """The values of the form: the draft's, or the discussion's."""
        if self.draft:
            return form_values.from_stored(self.draft.typed) | {"slug": self.slug}
        return self._published | {"slug": self.slug}

    @property
    def _published(self) -> Typed:
        return (
            form_values.from_announcement(self.discussion.announcement)
            if self.discussion
            else form_values.empty_form()
        )

    @property
    def version(self) -> int:
        """The version of the discussion; 0 if it is not published yet."""
        return self.discussion.version if self.discussion else 0

    @property
    def opened(self) -> Opened:
        """What a form is opened with now."""
        return Opened(self.version, form_values.digest_parts(self.typed))

    @property
    def digest(self) -> str:
        """A digest that differs once draft or discussion have changed."""
        shown = json.dumps([self.version, self.opened.marks], sort_keys=True)
        return hashlib.sha256(shown.encode()).hexdigest()

    @property
    def is_behind(self) -> bool:
        """Whether the discussion was changed since the draft was saved."""
        return self.draft is not None and self.draft.based_on != self.version

    def announced(self) -> Announcement:
        """Return the announcement that would be published; raises `DiscussionFileRefused`."""
        uid = self.discussion.uid if self.discussion else None
        return announce(form_values.to_file_values(self.typed, self.slug, uid), is_typed=True)


def find(tx: Transaction, organizer: Organizer, slug: str, *, lock: bool = False) -> Standing:
    """Return a discussion with its draft for an organizer who may edit it, with `lock` locked.

    Only administrators see drafts of new discussions. Raises `NoSuchDiscussion`.
    """
    try:
        discussion = accounts.run_by(tx, organizer, slug)
        if lock:
            discussion = catalog.find(tx, slug, lock=True)
    except NoSuchDiscussion:
        # For an administrator this means that no such discussion is published yet.
        draft = _draft(tx, slug, lock=lock)
        if organizer.role is not Role.ADMINISTRATOR or draft is None:
            raise
        return Standing(slug, None, draft)
    return Standing(slug, discussion, _draft(tx, slug, lock=lock))


def drafts_of_new(tx: Transaction, organizer: Organizer) -> Sequence[Draft]:
    """Return the drafts of new discussions, the last saved first; none unless administrator."""
    if organizer.role is not Role.ADMINISTRATOR:
        return []
    there = select(Discussion.slug)
    new = select(Draft).where(Draft.slug.not_in(there)).order_by(Draft.saved_at.desc())
    return tx.scalars(new).all()


def create(tx: Transaction, organizer: Organizer, slug: str, written: Typed) -> None:
    """Save the first draft of a new discussion. Raises `SlugTaken`, `NoSuchDiscussion`."""
    if organizer.role is not Role.ADMINISTRATOR:
        raise NoSuchDiscussion(slug=slug)
    _refuse_taken(tx, slug)
    tx.add(_new(organizer, slug, written, 0, tx.now))
    _flush(tx, slug)


def save(tx: Transaction, organizer: Organizer, slug: str, written: Typed, opened: Opened) -> str:
    """Save the form's values; return the slug, which can change until the first publication.

    Raises `ChangedMeanwhile`, `SlugTaken`, `NoSuchDiscussion`.
    """
    current = find(tx, organizer, slug, lock=True)
    _refuse_changed(tx, current, written, opened)
    wanted = slug if current.discussion else written["slug"]
    if wanted != slug:
        _refuse_taken(tx, wanted)
    draft = current.draft
    if draft is None:
        tx.add(_new(organizer, slug, written, current.version, tx.now))
    else:
        draft.slug, draft.typed, draft.based_on = wanted, written, current.version
        draft.saved_at, draft.organizer_id = tx.now, organizer.id
    _flush(tx, wanted)
    return wanted


def merge_published(tx: Transaction, current: Standing) -> tuple[Typed, list[Clash]]:
    """Return the draft's values with those published since it was saved, and their clashes."""
    if current.draft is None or not current.is_behind:
        return current.typed, []
    then = current.draft.based_on
    was = form_values.digest_parts(typed_at(tx, current.discussion, then))
    return merge(current.typed, was, published_since(tx, current.discussion, then))


def discard(tx: Transaction, organizer: Organizer, slug: str, seen: str) -> bool:
    """Delete the draft that was looked at; return whether there is a published discussion.

    Raises `ChangedSinceSeen`.
    """
    found = find(tx, organizer, slug, lock=True)
    if found.draft:
        if found.digest != seen:
            raise ChangedSinceSeen
        tx.delete(found.draft)
        audit_log.note(tx, Deed.DRAFT_DELETED, by=organizer.id, slug=slug)
    return found.discussion is not None


def publish(
    tx: Transaction, organizer: Organizer, slug: str, seen: str, *, quiet: bool
) -> Publication:
    """Publish the draft that was looked at, and write it to the audit log.

    Raises `NoDraft`, `ChangedSinceSeen`, `DiscussionFileRefused` and what
    `publication.publish` raises.
    """
    found = find(tx, organizer, slug, lock=True)
    if found.draft is None:
        raise NoDraft(slug=slug)
    if found.is_behind or found.digest != seen:
        raise ChangedSinceSeen
    announcement = found.announced()
    tx.delete(found.draft)
    done = publication.publish(tx, announcement, quiet=quiet, from_file=False)
    _note(tx, organizer, done, quiet=quiet)
    return done


def _note(tx: Transaction, organizer: Organizer, done: Publication, *, quiet: bool) -> None:
    if done.outcome is Outcome.UNCHANGED:
        return
    is_new = done.outcome is Outcome.PUBLISHED
    audit_log.note(
        tx,
        Deed.PUBLISHED if is_new else Deed.CHANGED,
        by=organizer.id,
        slug=done.slug,
        count=done.letters,
        detail=", ".join([*done.changed, *(["quietly"] if quiet else [])]) or None,
    )


def _refuse_changed(tx: Transaction, current: Standing, written: Typed, opened: Opened) -> None:
    """Raise `ChangedMeanwhile` if others have saved or published other values than were typed.

    If both the draft and the discussion have changed, the draft's changes are shown first. The form
    keeps the version that it was opened with, so that the next save shows the published changes.
    """
    drafted = _unlike(written, _drafted_since(current, opened))
    published = _unlike(written, published_since(tx, current.discussion, opened.version))
    # A value of an earlier draft was typed too: only the published version tells what was not.
    was = form_values.digest_parts(typed_at(tx, current.discussion, opened.version))
    was = opened.marks | {about: was[about] for about in published if about not in drafted}
    merged, clashes = merge(written, was, published | drafted)
    if clashes:
        is_shown = not published.keys() & drafted.keys()
        version = current.version if is_shown else opened.version
        raise ChangedMeanwhile(Opened(version, current.opened.marks), merged, clashes)


def _unlike(written: Typed, changed: dict[str, Typed]) -> dict[str, Typed]:
    """Return the changes whose values differ from those that were typed."""
    mine = form_values.parts(written)
    return {
        about: theirs
        for about, theirs in changed.items()
        if form_values.parts(theirs)[about] != mine[about]
    }


def _draft(tx: Transaction, slug: str, *, lock: bool) -> Draft | None:
    named = select(Draft).where(Draft.slug == comparable(slug))
    if lock:
        named = named.with_for_update().execution_options(populate_existing=True)
    return tx.scalar(named)


def _new(organizer: Organizer, slug: str, written: Typed, version: int, now: datetime) -> Draft:
    return Draft(
        slug=slug, typed=written, based_on=version, saved_at=now, organizer_id=organizer.id
    )


def _refuse_taken(tx: Transaction, slug: str) -> None:
    if not SLUG.fullmatch(slug):  # reading it would bring it to another form
        raise SlugMalformed
    is_there = tx.scalar(select(Discussion.id).where(Discussion.slug == slug))
    if is_there or _draft(tx, slug, lock=False):
        raise SlugTaken


def _flush(tx: Transaction, slug: str) -> None:
    try:
        tx.flush()
    except IntegrityError:
        raise SlugSavedMeanwhile(slug=slug) from None


def _drafted_since(current: Standing, opened: Opened) -> dict[str, Typed]:
    """Return the parts of the draft that have changed since the form was opened."""
    marks = form_values.digest_parts(current.typed)
    return {about: current.typed for about in marks if marks[about] != opened.marks.get(about)}
