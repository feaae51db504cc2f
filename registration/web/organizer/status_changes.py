"""Cancels a discussion, lets it take place after all, takes it off, publishes it again: each a page
that says what follows, with one button."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import redirect, render_template, url_for
from flask_wtf import FlaskForm
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from ... import house
from ...database import DatabaseBusy, DatabaseUnavailable, reading, writing
from ...models import Deed, Discussion
from ...services import audit_log, catalog
from ...services.discussions import cancellation, email_forecast, publication
from ...services.discussions.cancellation import NotCancelled
from ...services.drafts.drafts import ChangedSinceSeen
from ...services.organizers import accounts
from ..forms import organizer_forms
from ..forms import registration_forms as public_forms
from ..rate_limits import later
from . import given_back, kept_for, organizer, place

Page = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Act:
    """One change of where a discussion stands. `do` returns how many letters it owes, and `count`
    how many it would owe, without doing it."""

    name: str
    deed: Deed
    do: Callable[[Session, str], int]
    count: Callable[[Session, Discussion], int]


@place.get("/discussions/<slug>/cancel")
def cancel(slug: str) -> Page:
    """Ask why it is cancelled, and say how many will be told."""
    return _page(slug, _cancelling(""), organizer_forms.cancel())


@place.post("/discussions/<slug>/cancel")
def submit_cancel(slug: str) -> Page | Response:
    """Cancel it."""
    typed = organizer_forms.cancel()
    return _submit(slug, _cancelling(typed["why"].data or ""), typed)


@place.get("/discussions/<slug>/restore")
def restore(slug: str) -> Page:
    """Say who will be told that it takes place after all."""
    return _page(slug, _RESTORE, organizer_forms.seen())


@place.post("/discussions/<slug>/restore")
def submit_restore(slug: str) -> Page | Response:
    """Let it take place after all."""
    return _submit(slug, _RESTORE, organizer_forms.seen())


@place.get("/discussions/<slug>/take-off")
def take_off(slug: str) -> Page:
    """Say what becomes of a discussion that is taken off."""
    return _page(slug, _TAKE_OFF, organizer_forms.seen())


@place.post("/discussions/<slug>/take-off")
def submit_take_off(slug: str) -> Page | Response:
    """Take it off the public pages."""
    return _submit(slug, _TAKE_OFF, organizer_forms.seen())


@place.get("/discussions/<slug>/publish-again")
def publish_again(slug: str) -> Page:
    """Say what becomes of a discussion that is published again."""
    return _page(slug, _PUBLISH_AGAIN, organizer_forms.seen())


@place.post("/discussions/<slug>/publish-again")
def submit_publish_again(slug: str) -> Page | Response:
    """Publish it again, as it was when it was taken off."""
    return _submit(slug, _PUBLISH_AGAIN, organizer_forms.seen())


def _submit(slug: str, act: Act, typed: FlaskForm) -> Page | Response:
    if not typed.validate():
        return _page(slug, act, typed, 422)
    try:
        with writing() as session:
            accounts.run_by(session, organizer(), slug)
            _do(session, slug, act, organizer_forms.version_of(typed))
    except NotCancelled as refusal:
        return _page(slug, act, typed, 409, why_not=str(refusal))
    except ChangedSinceSeen:
        return _page(slug, act, typed, 409, is_changed=True)
    except (DatabaseBusy, DatabaseUnavailable) as refusal:
        wait = later(refusal)
        return _page(slug, act, typed, wait.status, wait=wait)
    return redirect(url_for("organizing.discussion", slug=slug), 303)


def _page(slug: str, act: Act, typed: FlaskForm, status: int = 200, **said: Any) -> Page:
    with reading() as session:
        discussion = accounts.run_by(session, organizer(), slug)
    letters, refused = _foretold(discussion, act)
    # What the button is about is what this page shows.
    typed["version"].data = discussion.version
    shown = {"why_not": refused, "is_changed": False, "wait": None} | said
    html = render_template(
        f"organizer/{act.name}.html",
        discussion=discussion,
        form=typed,
        letters=letters,
        is_stale=public_forms.is_stale(typed),
        **shown,
    )
    return html, status


def _foretold(discussion: Discussion, act: Act) -> tuple[int, str]:
    """Return how many letters it would owe, or why it is refused."""
    try:
        with reading() as session:
            return act.count(session, discussion), ""
    except NotCancelled as refusal:
        return 0, str(refusal)


def _do(session: Session, slug: str, act: Act, seen: int) -> None:
    """Do it, and note it in the audit log, unless it was so already.

    Raises `ChangedSinceSeen` if the discussion is not any more at the version that was `seen`.
    """
    discussion = catalog.find(session, slug, lock=True)
    before = discussion.version
    letters = act.do(session, slug)
    if discussion.version == before:
        return
    if before != seen:
        raise ChangedSinceSeen("Somebody else has changed this meanwhile: look at it again.")
    by, now = organizer().id, house.now()
    audit_log.note(session, act.deed, by=by, slug=slug, count=letters, now=now)


kept_for["organizing.submit_cancel"] = lambda: given_back(organizer_forms.cancel())


def _cancelling(why: str) -> Act:
    def cancel(session: Session, slug: str) -> int:
        settings, now = house.settings(), house.now()
        return cancellation.cancel(session, slug, why, settings=settings, now=now)

    def count(session: Session, discussion: Discussion) -> int:
        return email_forecast.cancelled(session, discussion, now=house.now())

    return Act("cancel", Deed.CANCELLED, cancel, count)


def _restore(session: Session, slug: str) -> int:
    return cancellation.restore(session, slug, settings=house.settings(), now=house.now())


def _take_off(session: Session, slug: str) -> int:
    publication.unpublish(session, slug, now=house.now())
    return 0


def _publish_again(session: Session, slug: str) -> int:
    again = catalog.find(session, slug).announcement
    settings, now = house.settings(), house.now()
    return publication.publish(session, again, settings=settings, now=now, from_file=False).letters


_RESTORE = Act(
    "restore",
    Deed.RESTORED,
    _restore,
    lambda session, it: email_forecast.restored(session, it, now=house.now()),
)
_TAKE_OFF = Act("take_off", Deed.TAKEN_OFF, _take_off, lambda _session, _it: 0)
_PUBLISH_AGAIN = Act(
    "publish_again",
    Deed.PUBLISHED,
    _publish_again,
    lambda session, it: email_forecast.published(session, it, it.announcement, now=house.now()),
)
