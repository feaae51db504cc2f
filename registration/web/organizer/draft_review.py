"""The review of a draft: previewed, downloaded, published or deleted."""

from email.message import EmailMessage
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...calendars import public as calendars
from ...calendars.description import format_when
from ...database import reading, writing
from ...discussion_file import DiscussionFileRefused
from ...discussion_file.table import Mistake
from ...discussion_file.writer import write
from ...models import Announcement, Discussion
from ...refusals import Refusal
from ...services.discussions import email_forecast
from ...services.discussions.publication import IdentityTaken, MovedIntoThePast
from ...services.discussions.reschedule import MustBeTold
from ...services.drafts import drafts, preview
from ...services.drafts.drafts import ChangedSinceSeen, NoDraft, Standing
from ...text.languages import phrase
from ..headers import content_security_policy
from ..public import pages
from . import access, draft_changes
from .access import organizer

blueprint = Blueprint("draft_review", __name__)

# Refusals to publish a draft, each with a sentence for the page.
REFUSED = (IdentityTaken, MovedIntoThePast, MustBeTold)


@blueprint.get("/discussions/<slug>/review")
def review(slug: str) -> BaseResponse | tuple[str, int]:
    """A preview of a draft, its changes, and the buttons that publish it."""
    with reading() as tx:
        standing = drafts.find(tx, organizer(), slug)
    if standing.draft is None:
        return redirect(url_for("organizer.edit.edit", slug=slug), 303)
    return _page(standing)


@blueprint.get("/discussions/<slug>/review/page")
def review_page(slug: str) -> Response:
    """The public page as it would be, for a frame."""
    would_be, now = _would_be(slug), app_context.now()
    # A sandbox has no origin of its own: the styles are named by their address.
    return _framed(pages.page_of(would_be, now, is_full=False), style_src="'self'")


@blueprint.get("/discussions/<slug>/review/letter")
def review_letter(slug: str) -> Response:
    """The HTML of the confirmation as it would be, for a frame."""
    body = _letter(_would_be(slug)).get_body(("html",))
    return _framed(body.get_content() if body else "", style_src="'unsafe-inline'")


@blueprint.post("/discussions/<slug>/publish")
def publish(slug: str) -> BaseResponse | tuple[str, int]:
    """Publish a draft as it was reviewed; quietly, without letters."""
    is_quiet, seen = request.form.get("do") == "quietly", request.form.get("seen", "")
    try:
        with writing() as tx:
            drafts.publish(tx, organizer(), slug, seen, quiet=is_quiet)
    except (*REFUSED, ChangedSinceSeen, DiscussionFileRefused) as refusal:
        return _refused(slug, refusal)
    except NoDraft:  # the button was pressed twice
        pass
    return redirect(url_for("organizer.discussions.discussion", slug=slug), 303)


@blueprint.post("/discussions/<slug>/discard")
def discard(slug: str) -> BaseResponse | tuple[str, int]:
    """Delete a draft as it was reviewed; the published discussion stays."""
    seen = request.form.get("seen", "")
    try:
        with writing() as tx:
            is_there = drafts.discard(tx, organizer(), slug, seen)
    except ChangedSinceSeen as refusal:
        return _refused(slug, refusal, is_deleting=True)
    if is_there:
        return redirect(url_for("organizer.discussions.discussion", slug=slug), 303)
    return redirect(url_for("organizer.discussions.overview"), 303)


@blueprint.get("/discussions/<slug>/file")
def file(slug: str) -> Response:
    """The published discussion as a discussion file."""
    with reading() as tx:
        announcement = access.discussion(tx, slug).announcement
    return _file(announcement)


@blueprint.get("/discussions/<slug>/review/file")
def review_file(slug: str) -> BaseResponse:
    """A draft as a discussion file; with mistakes, redirect to the review, which lists them."""
    try:
        with reading() as tx:
            announcement = drafts.find(tx, organizer(), slug).announced()
    except DiscussionFileRefused:
        return redirect(url_for("organizer.draft_review.review", slug=slug), 303)
    return _file(announcement)


def _file(announcement: Announcement) -> Response:
    response = Response(write(announcement), content_type="application/toml; charset=utf-8")
    name = f"{announcement.slug}.toml"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def _refused(slug: str, refusal: Refusal, *, is_deleting: bool = False) -> tuple[str, int]:
    with reading() as tx:
        standing = drafts.find(tx, organizer(), slug)
    is_wrong = isinstance(refusal, DiscussionFileRefused)
    refused, status = ("", 422) if is_wrong else (phrase(refusal), 409)
    return _page(standing, refused=refused, is_deleting=is_deleting, status=status)


def _page(
    standing: Standing, *, refused: str = "", is_deleting: bool = False, status: int = 200
) -> tuple[str, int]:
    context: dict[str, Any] = {"mistakes": [], "would_be": None, "refused": refused}
    try:
        announcement = standing.announced()
    except DiscussionFileRefused as refusal:
        context["mistakes"] = _with_labels(refusal.found)
    else:
        context |= _previewed(standing, announcement)
    html = render_template(
        "organizer/review.html",
        standing=standing,
        is_deleting=is_deleting,
        **context,
    )
    return html, status


def _previewed(standing: Standing, announcement: Announcement) -> dict[str, Any]:
    """Return what the page shows of a draft without mistakes."""
    would_be = _discussion(standing, announcement)
    message = _letter(would_be)
    text = message.get_body(("plain",))
    before = standing.discussion.announcement if standing.discussion else None
    letters, why_not = (None, "") if standing.is_behind else _letters_owed(standing, announcement)
    return {
        "would_be": would_be,
        "subject": message["Subject"],
        "letter": text.get_content() if text else "",
        "time": format_when(would_be.when),
        "entry": calendars.file(would_be, app_context.links()).decode(),
        "changed": draft_changes.between(before, announcement) if before else [],
        "held": _answers_affected(standing, announcement),
        "letters": letters,
        "why_not": why_not,
    }


def _letters_owed(standing: Standing, announcement: Announcement) -> tuple[int | None, str]:
    """Return how many letters publishing would owe, or the sentence that refuses it."""
    if standing.discussion is None:
        return None, ""
    try:
        with reading() as tx:
            return email_forecast.count_if_published(tx, standing.discussion, announcement), ""
    except MovedIntoThePast as refusal:
        return None, phrase(refusal)


def _answers_affected(standing: Standing, announcement: Announcement) -> dict[str, int]:
    """Return how many answers are stored to each question that the draft drops or changes."""
    if standing.discussion is None:
        return {}
    keys = draft_changes.questions_changed(standing.discussion.content, announcement.content)
    with reading() as tx:
        return preview.count_answers(tx, standing.discussion, keys)


def _would_be(slug: str) -> Discussion:
    with reading() as tx:
        standing = drafts.find(tx, organizer(), slug)
    try:
        return _discussion(standing, standing.announced())
    except DiscussionFileRefused:
        abort(404)


def _discussion(standing: Standing, announcement: Announcement) -> Discussion:
    return preview.discussion(
        announcement, standing.discussion, settings=app_context.settings(), now=app_context.now()
    )


def _letter(would_be: Discussion) -> EmailMessage:
    with reading() as tx:
        ring = tx.keys
    return preview.confirmation(
        would_be, ring=ring, settings=app_context.settings(), now=app_context.now()
    )


def _with_labels(mistakes: list[Mistake]) -> list[tuple[str, str, str]]:
    """Return each mistake with its key, its field as the form names it, and the sentence."""
    return [(item.key, draft_changes.named(item.key), phrase(item.sentence)) for item in mistakes]


def _framed(html: str, **policy: str) -> Response:
    """Return HTML for a sandboxed frame of the desk: it can do nothing but be read."""
    response = Response(html, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = content_security_policy(
        script_src="'none'", form_action="'none'", frame_ancestors="'self'", sandbox="", **policy
    )
    return response
