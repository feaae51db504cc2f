"""One mailing at the desk: its preview, a test letter, sending, stopping, discarding."""

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...database import reading, writing
from ...models import Discussion, Mailing
from ...services.erasure.erasures import Receipt
from ...services.mailings import mailings, preview, recipients
from ...services.mailings.mailings import MailingChanged, NobodyToWriteTo, NoLinkToJoin
from ...services.mailings.preview import Preview
from ..forms.organizer_forms import VersionForm
from ..headers import framed
from ..route_properties import when_stale
from . import access
from .access import organizer

blueprint = Blueprint("mailing", __name__)

Answer = BaseResponse | str | tuple[str, int]


def _stale(slug: str, mailing: str) -> tuple[str, int]:
    with reading() as tx:
        mailings.find(tx, access.discussion(tx, slug), mailing)
    return access.stale_page()


@blueprint.get("/discussions/<slug>/mailings/<mailing>")
def mailing(slug: str, mailing: str) -> str:
    """A draft as an attendee would get it; or the progress of a queued mailing."""
    with reading() as tx:
        stored = mailings.find(tx, access.discussion(tx, slug), mailing)
    return _draft_page(slug, mailing) if stored.is_draft else _queued_page(slug, mailing)


@blueprint.get("/discussions/<slug>/mailings/<mailing>/html")
def mailing_html(slug: str, mailing: str) -> Response:
    """The HTML of the letter, for a sandboxed frame."""
    _discussion, _found, shown = _rehearsed(slug, mailing)
    body = shown.message.get_body(("html",)) if shown.message else None
    return framed(body.get_content() if body else "")


@blueprint.post("/discussions/<slug>/mailings/<mailing>/test")
@when_stale(_stale)
def try_mailing_out(slug: str, mailing: str) -> BaseResponse | tuple[str, int]:
    """Owe a test letter to the organizer who is signed in."""
    with writing() as tx:
        discussion = access.discussion(tx, slug)
        mailings.send_test(tx, discussion, mailing, by=organizer().id)
    return redirect(url_for("organizer.mailing.mailing", slug=slug, mailing=mailing, tried=1), 303)


@blueprint.get("/discussions/<slug>/mailings/<mailing>/send")
def send_mailing(slug: str, mailing: str) -> Answer:
    """Show wording and number of recipients, and ask once more."""
    return _send_page(slug, mailing)


@blueprint.post("/discussions/<slug>/mailings/<mailing>/send")
@when_stale(_stale)
def queue_mailing(slug: str, mailing: str) -> Answer:
    """Owe the mailing to everybody in its groups, unless it has changed since it was seen."""
    try:
        with writing() as tx:
            discussion = access.discussion(tx, slug)
            mailings.queue(tx, discussion, mailing, VersionForm().seen, by=organizer().id)
    except (MailingChanged, NoLinkToJoin, NobodyToWriteTo) as refusal:
        return _send_page(slug, mailing, is_changed=isinstance(refusal, MailingChanged))
    return redirect(url_for("organizer.mailing.mailing", slug=slug, mailing=mailing), 303)


@blueprint.post("/discussions/<slug>/mailings/<mailing>/stop")
@when_stale(_stale)
def stop_mailing(slug: str, mailing: str) -> BaseResponse | tuple[str, int]:
    """Stop a mailing: recipients who have not got it yet will not."""
    with writing() as tx:
        discussion = access.discussion(tx, slug)
        mailings.stop(tx, discussion, mailing, by=organizer().id)
    return redirect(url_for("organizer.mailing.mailing", slug=slug, mailing=mailing), 303)


@blueprint.post("/discussions/<slug>/mailings/<mailing>/discard")
@when_stale(_stale)
def discard_mailing(slug: str, mailing: str) -> BaseResponse | tuple[str, int]:
    """Throw a draft away, unless it has changed since it was seen."""
    try:
        receipt = _discarded(slug, mailing, VersionForm().seen)
    except MailingChanged:
        return _draft_page(slug, mailing, is_changed=True), 409
    app_context.record_erasure(receipt)
    return redirect(url_for("organizer.mailings.overview", slug=slug), 303)


def _discarded(slug: str, mailing: str, version: int) -> Receipt:
    with writing() as tx:
        discussion = access.discussion(tx, slug)
        return mailings.discard(tx, discussion, mailing, version, by=organizer().id)


def _queued_page(slug: str, mailing: str) -> str:
    with reading() as tx:
        discussion = access.discussion(tx, slug)
        stored = mailings.find(tx, discussion, mailing)
        return render_template(
            "organizer/mailing_queued.html",
            discussion=discussion,
            mailing=stored,
            wording=stored.wording(tx.keys),
            progress=mailings.progress(tx, stored),
        )


def _draft_page(slug: str, mailing: str, *, is_changed: bool = False) -> str:
    discussion, stored, shown = _rehearsed(slug, mailing)
    text = shown.message.get_body(("plain",)) if shown.message else None
    return render_template(
        "organizer/mailing.html",
        discussion=discussion,
        mailing=stored,
        shown=shown,
        text=text.get_content() if text else "",
        is_tried="tried" in request.args,
        is_changed=is_changed,
    )


def _rehearsed(slug: str, mailing: str) -> tuple[Discussion, Mailing, Preview]:
    number = request.args.get("n", 0, type=int)
    with reading() as tx:
        discussion = access.discussion(tx, slug)
        stored = mailings.find(tx, discussion, mailing)
        shown = preview.preview(tx, discussion, stored, number)
    return discussion, stored, shown


def _send_page(slug: str, mailing: str, *, is_changed: bool = False) -> Answer:
    discussion, stored, shown = _rehearsed(slug, mailing)
    if not stored.is_draft:
        return redirect(url_for("organizer.mailing.mailing", slug=slug, mailing=mailing), 303)
    with reading() as tx:
        wording = stored.wording(tx.keys)
        stopped = recipients.count_stopped(tx, discussion, stored.groups)
    form = VersionForm()
    form.version.data = stored.version
    page = render_template(
        "organizer/mailing_send.html",
        discussion=discussion,
        mailing=stored,
        wording=wording,
        count=shown.total,
        lacks_link=shown.lacks_link,
        stopped=stopped,
        form=form,
        is_changed=is_changed,
    )
    return (page, 409) if request.method == "POST" else page
