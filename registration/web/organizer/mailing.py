"""One circular at the desk: its preview, a test letter, sending, stopping, discarding."""

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...database import reading, writing
from ...models import Circular, Discussion
from ...services.erasure.erasures import Receipt
from ...services.mailings import mailings, preview, recipients
from ...services.mailings.mailings import CircularChanged, NobodyToWriteTo, NoLinkToJoin
from ...services.mailings.preview import Preview
from ..forms.organizer_forms import VersionForm
from ..headers import framed
from . import access
from .access import organizer

blueprint = Blueprint("mailing", __name__)

Answer = BaseResponse | str | tuple[str, int]


@blueprint.get("/discussions/<slug>/circulars/<circular>")
def circular(slug: str, circular: str) -> str:
    """A draft as an attendee would get it; or the progress of a queued circular."""
    with reading() as tx:
        stored = mailings.find(tx, access.discussion(tx, slug), circular)
    return _draft_page(slug, circular) if stored.is_draft else _queued_page(slug, circular)


@blueprint.get("/discussions/<slug>/circulars/<circular>/html")
def circular_html(slug: str, circular: str) -> Response:
    """The HTML of the letter, for a sandboxed frame."""
    _discussion, _found, shown = _rehearsed(slug, circular)
    body = shown.message.get_body(("html",)) if shown.message else None
    return framed(body.get_content() if body else "")


@blueprint.post("/discussions/<slug>/circulars/<circular>/test")
def try_circular_out(slug: str, circular: str) -> BaseResponse | tuple[str, int]:
    """Owe a test letter to the organizer who is signed in."""
    with writing() as tx:
        discussion = access.discussion(tx, slug)
        mailings.send_test(tx, discussion, circular, by=organizer().id)
    return redirect(
        url_for("organizer.mailing.circular", slug=slug, circular=circular, tried=1), 303
    )


@blueprint.get("/discussions/<slug>/circulars/<circular>/send")
def send_circular(slug: str, circular: str) -> Answer:
    """Show wording and number of recipients, and ask once more."""
    return _send_page(slug, circular)


@blueprint.post("/discussions/<slug>/circulars/<circular>/send")
def queue_circular(slug: str, circular: str) -> Answer:
    """Owe the circular to everybody in its groups, unless it has changed since it was seen."""
    try:
        with writing() as tx:
            discussion = access.discussion(tx, slug)
            mailings.queue(tx, discussion, circular, VersionForm().seen, by=organizer().id)
    except (CircularChanged, NoLinkToJoin, NobodyToWriteTo) as refusal:
        return _send_page(slug, circular, is_changed=isinstance(refusal, CircularChanged))
    return redirect(url_for("organizer.mailing.circular", slug=slug, circular=circular), 303)


@blueprint.post("/discussions/<slug>/circulars/<circular>/stop")
def stop_circular(slug: str, circular: str) -> BaseResponse | tuple[str, int]:
    """Stop a circular: recipients who have not got it yet will not."""
    with writing() as tx:
        discussion = access.discussion(tx, slug)
        mailings.stop(tx, discussion, circular, by=organizer().id)
    return redirect(url_for("organizer.mailing.circular", slug=slug, circular=circular), 303)


@blueprint.post("/discussions/<slug>/circulars/<circular>/discard")
def discard_circular(slug: str, circular: str) -> BaseResponse | tuple[str, int]:
    """Throw a draft away, unless it has changed since it was seen."""
    try:
        receipt = _discarded(slug, circular, VersionForm().seen)
    except CircularChanged:
        return _draft_page(slug, circular, is_changed=True), 409
    app_context.record_erasure(receipt)
    return redirect(url_for("organizer.mailings.circulars", slug=slug), 303)


def _discarded(slug: str, circular: str, version: int) -> Receipt:
    with writing() as tx:
        discussion = access.discussion(tx, slug)
        return mailings.discard(tx, discussion, circular, version, by=organizer().id)


def _queued_page(slug: str, circular: str) -> str:
    with reading() as tx:
        discussion = access.discussion(tx, slug)
        stored = mailings.find(tx, discussion, circular)
        return render_template(
            "organizer/circular_queued.html",
            discussion=discussion,
            circular=stored,
            wording=stored.wording(tx.keys),
            progress=mailings.progress(tx, stored),
        )


def _draft_page(slug: str, circular: str, *, is_changed: bool = False) -> str:
    discussion, stored, shown = _rehearsed(slug, circular)
    text = shown.message.get_body(("plain",)) if shown.message else None
    return render_template(
        "organizer/circular.html",
        discussion=discussion,
        circular=stored,
        shown=shown,
        text=text.get_content() if text else "",
        is_tried="tried" in request.args,
        is_changed=is_changed,
    )


def _rehearsed(slug: str, circular: str) -> tuple[Discussion, Circular, Preview]:
    number = request.args.get("n", 0, type=int)
    with reading() as tx:
        discussion = access.discussion(tx, slug)
        stored = mailings.find(tx, discussion, circular)
        shown = preview.preview(tx, discussion, stored, number)
    return discussion, stored, shown


def _send_page(slug: str, circular: str, *, is_changed: bool = False) -> Answer:
    discussion, stored, shown = _rehearsed(slug, circular)
    if not stored.is_draft:
        return redirect(url_for("organizer.mailing.circular", slug=slug, circular=circular), 303)
    with reading() as tx:
        wording = stored.wording(tx.keys)
        stopped = recipients.count_stopped(tx, discussion, stored.groups)
    form = VersionForm()
    form.version.data = stored.version
    page = render_template(
        "organizer/circular_send.html",
        discussion=discussion,
        circular=stored,
        wording=wording,
        count=shown.total,
        lacks_link=shown.lacks_link,
        stopped=stopped,
        form=form,
        is_changed=is_changed,
    )
    return (page, 409) if request.method == "POST" else page
