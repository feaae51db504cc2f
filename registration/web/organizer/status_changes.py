"""Cancel a discussion, restore it, take it off the public pages, publish it again: each is a page
that states the consequences, with one button."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from ...database import DatabaseBusy, DatabaseUnavailable, Transaction, reading, writing
from ...models import Deed, Discussion
from ...services import audit_log, catalog
from ...services.discussions import cancellation, email_forecast, publication
from ...services.discussions.cancellation import NotCancelled
from ...services.drafts.drafts import ChangedSinceSeen
from ...text.languages import phrase
from .. import csrf
from ..forms.organizer_forms import CancelForm, VersionForm
from ..rate_limits import later
from ..route_properties import gives_back
from . import access
from .access import given_back, organizer

blueprint = Blueprint("status_changes", __name__)

Page = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Act:
    """One change of a discussion's status. `do` returns how many letters it owes, and `count` how
    many it would owe, without doing it."""

    name: str
    deed: Deed
    do: Callable[[Transaction, str], int]
    count: Callable[[Transaction, Discussion], int]


@blueprint.get("/discussions/<slug>/cancel")
def cancel(slug: str) -> Page:
    """Ask for the reason, and say how many letters are owed."""
    return _page(slug, _cancelling(""), CancelForm())


@blueprint.post("/discussions/<slug>/cancel")
@csrf.checks_token
@gives_back(lambda: given_back(CancelForm()))
def submit_cancel(slug: str) -> Page | Response:
    """Cancel it."""
    typed = CancelForm()
    return _submit(slug, _cancelling(typed.why.data or ""), typed)


@blueprint.get("/discussions/<slug>/restore")
def restore(slug: str) -> Page:
    """Say how many letters are owed when a cancelled discussion is restored."""
    return _page(slug, _RESTORE, VersionForm())


@blueprint.post("/discussions/<slug>/restore")
@csrf.checks_token
def submit_restore(slug: str) -> Page | Response:
    """Restore a cancelled discussion."""
    return _submit(slug, _RESTORE, VersionForm())


@blueprint.get("/discussions/<slug>/take-off")
def take_off(slug: str) -> Page:
    """State the consequences of taking a discussion off the public pages."""
    return _page(slug, _TAKE_OFF, VersionForm())


@blueprint.post("/discussions/<slug>/take-off")
@csrf.checks_token
def submit_take_off(slug: str) -> Page | Response:
    """Take it off the public pages."""
    return _submit(slug, _TAKE_OFF, VersionForm())


@blueprint.get("/discussions/<slug>/publish-again")
def publish_again(slug: str) -> Page:
    """State the consequences of publishing a discussion again."""
    return _page(slug, _PUBLISH_AGAIN, VersionForm())


@blueprint.post("/discussions/<slug>/publish-again")
@csrf.checks_token
def submit_publish_again(slug: str) -> Page | Response:
    """Publish it again, as it was when it was taken off."""
    return _submit(slug, _PUBLISH_AGAIN, VersionForm())


def _submit(slug: str, act: Act, typed: VersionForm) -> Page | Response:
    if not typed.validate():
        return _page(slug, act, typed, 422)
    try:
        with writing() as tx:
            access.discussion(tx, slug)
            _do(tx, slug, act, typed.seen)
    except NotCancelled as refusal:
        return _page(slug, act, typed, 409, why_not=phrase(refusal))
    except ChangedSinceSeen:
        return _page(slug, act, typed, 409, is_changed=True)
    except (DatabaseBusy, DatabaseUnavailable) as refusal:
        wait = later(refusal)
        return _page(slug, act, typed, wait.status, wait=wait)
    return redirect(url_for("organizer.discussions.discussion", slug=slug), 303)


def _page(slug: str, act: Act, typed: VersionForm, status: int = 200, **said: Any) -> Page:
    with reading() as tx:
        discussion = access.discussion(tx, slug)
    letters, refused = _count_letters(discussion, act)
    # The button is about the version that this page shows.
    typed.version.data = discussion.version
    shown = {"why_not": refused, "is_changed": False, "wait": None} | said
    html = render_template(
        f"organizer/{act.name}.html",
        discussion=discussion,
        form=typed,
        letters=letters,
        **shown,
    )
    return html, status


def _count_letters(discussion: Discussion, act: Act) -> tuple[int, str]:
    """Return how many letters the act would owe, or the sentence that refuses it."""
    try:
        with reading() as tx:
            return act.count(tx, discussion), ""
    except NotCancelled as refusal:
        return 0, phrase(refusal)


def _do(tx: Transaction, slug: str, act: Act, seen: int) -> None:
    """Do it, and note it in the audit log; do nothing if the discussion has that status already.

    Raises `ChangedSinceSeen` if the discussion is not any more at the version that was `seen`.
    """
    discussion = catalog.find(tx, slug, lock=True)
    before = discussion.version
    letters = act.do(tx, slug)
    if discussion.version == before:
        return
    if before != seen:
        raise ChangedSinceSeen
    by = organizer().id
    audit_log.note(tx, act.deed, by=by, slug=slug, count=letters)


def _cancelling(why: str) -> Act:
    def cancel(tx: Transaction, slug: str) -> int:
        return cancellation.cancel(tx, slug, why)

    def count(tx: Transaction, discussion: Discussion) -> int:
        return email_forecast.count_if_cancelled(tx, discussion)

    return Act("cancel", Deed.CANCELLED, cancel, count)


def _restore(tx: Transaction, slug: str) -> int:
    return cancellation.restore(tx, slug)


def _take_off(tx: Transaction, slug: str) -> int:
    publication.unpublish(tx, slug)
    return 0


def _publish_again(tx: Transaction, slug: str) -> int:
    again = catalog.find(tx, slug).announcement
    return publication.publish(tx, again, from_file=False).letters


_RESTORE = Act(
    "restore",
    Deed.RESTORED,
    _restore,
    email_forecast.count_if_restored,
)
_TAKE_OFF = Act("take_off", Deed.TAKEN_OFF, _take_off, lambda _tx, _it: 0)
_PUBLISH_AGAIN = Act(
    "publish_again",
    Deed.PUBLISHED,
    _publish_again,
    lambda tx, it: email_forecast.count_if_published(tx, it, it.announcement),
)
