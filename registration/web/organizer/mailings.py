"""The mailings of a discussion at the desk: their list, and the form of a draft."""

import hmac
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...database import DatabaseBusy, DatabaseUnavailable, Transaction, reading, writing
from ...models import Discussion, Group, Mailing
from ...services.mailings import mailings, recipients
from ...services.mailings.mailings import Draft, MailingChanged, NoSuchMailing
from .. import csrf
from ..forms.organizer_forms import MailingForm
from ..rate_limits import Later, later
from ..route_properties import gives_back
from . import access
from .access import given_back, organizer

blueprint = Blueprint("mailings", __name__)

Answer = BaseResponse | tuple[str, int, dict[str, str]]


def _signed_out() -> tuple[str, int]:
    return given_back(MailingForm(dict.fromkeys(Group)))


@blueprint.get("/discussions/<slug>/mailings")
def overview(slug: str) -> str:
    """The mailings of a discussion, each with its progress."""
    with reading() as tx:
        discussion = access.discussion(tx, slug)
        overview = mailings.list_all(tx, discussion)
        ring = tx.keys
    shown = [(item, item.wording(ring).subject, progress) for item, progress in overview]
    return render_template("organizer/mailings.html", discussion=discussion, mailings=shown)


@blueprint.get("/discussions/<slug>/mailings/new")
def new_mailing(slug: str) -> str:
    """A form for a new draft."""
    discussion, _mailing = _load(slug, None)
    return _form_page(discussion, None, _form(discussion, None))


@blueprint.post("/discussions/<slug>/mailings/new")
@gives_back(_signed_out)
@csrf.checks_token
def draft_mailing(slug: str) -> Answer:
    """Store a new draft."""
    return _save(slug, None)


@blueprint.get("/discussions/<slug>/mailings/<mailing>/edit")
def edit_mailing(slug: str, mailing: str) -> str | BaseResponse:
    """The form of a draft, as it is."""
    discussion, stored = _load(slug, mailing)
    if stored is None or not stored.is_draft:
        return redirect(url_for("organizer.mailing.mailing", slug=slug, mailing=mailing))
    return _form_page(discussion, stored, _form(discussion, stored))


@blueprint.post("/discussions/<slug>/mailings/<mailing>/edit")
@gives_back(_signed_out)
@csrf.checks_token
def change_mailing(slug: str, mailing: str) -> Answer:
    """Change a draft, unless somebody else has meanwhile."""
    return _save(slug, mailing)


def _save(slug: str, public_id: str | None) -> Answer:
    discussion, stored = _load(slug, public_id)
    typed = _form(discussion, stored)
    if not typed.validate():
        return _form_page(discussion, stored, typed), 422, {}
    try:
        kept = _keep(slug, public_id, typed)
    except (MailingChanged, NoSuchMailing):
        discussion, stored = _load(slug, public_id)
        return _form_page(discussion, stored, typed, is_changed=True), 409, {}
    except (DatabaseBusy, DatabaseUnavailable) as refusal:
        wait = later(refusal)
        return _form_page(discussion, stored, typed, wait=wait), wait.status, wait.headers
    return redirect(url_for("organizer.mailing.mailing", slug=slug, mailing=kept.public_id), 303)


def _keep(slug: str, public_id: str | None, typed: MailingForm) -> Mailing:
    groups = tuple(map(Group, typed.groups.data))
    draft = Draft(typed.subject.data, typed.text.data, groups)
    with writing() as tx:
        return mailings.save(
            tx,
            access.discussion(tx, slug),
            draft,
            public_id=public_id,
            version=typed.seen,
            by=organizer().id,
        )


def _load(slug: str, public_id: str | None) -> tuple[Discussion, Mailing | None]:
    """Return the discussion and its mailing; None for a new one.

    None also for a draft that somebody else has thrown away since its form was opened, so that
    typed text is not lost. For any other id, raise `NoSuchMailing`.
    """
    with reading() as tx:
        discussion = access.discussion(tx, slug)
        if public_id is None:
            return discussion, None
        try:
            return discussion, mailings.find(tx, discussion, public_id)
        except NoSuchMailing:
            shown = request.form.get("opened", "")
            if not hmac.compare_digest(shown.encode(), _mark(tx, discussion, public_id)):
                raise
            return discussion, None


def _mark(tx: Transaction, discussion: Discussion, public_id: str) -> bytes:
    """Return a keyed mark of a draft: only the form of this draft has it."""
    return tx.keys.index("form of a mailing", discussion.slug, public_id).hex().encode()


def _form(discussion: Discussion, stored: Mailing | None) -> MailingForm:
    """Return the form, filled from the draft, with the size of each group."""
    now = app_context.now()
    offered = [group for group in Group if group is not Group.ABSENT or discussion.ends_at <= now]
    with reading() as tx:
        counts = {group: recipients.count(tx, discussion, [group]) for group in offered}
        wording = stored.wording(tx.keys) if stored else None
        mark = _mark(tx, discussion, stored.public_id) if stored else b""
    held: dict[str, Any] = {"groups": [Group.CONFIRMED.value]}
    if stored and wording:
        held = {
            "groups": stored.groups,
            "subject": wording.subject,
            "text": wording.text,
            "version": stored.version,
            "opened": mark.decode(),
        }
    return MailingForm(counts, join_url=discussion.content.join_url, **held)


def _form_page(
    discussion: Discussion,
    stored: Mailing | None,
    typed: MailingForm,
    *,
    wait: Later | None = None,
    is_changed: bool = False,
) -> str:
    now_there = None
    if stored and is_changed:
        with reading() as tx:
            now_there = stored.wording(tx.keys)
        # The page shows the stored version, so the next attempt may write over it.
        typed.version.data = stored.version
    return render_template(
        "organizer/mailing_form.html",
        discussion=discussion,
        mailing=stored if stored and stored.is_draft else None,
        form=typed,
        now_there=now_there,
        is_changed=is_changed,
        is_gone=is_changed and not (stored and stored.is_draft),
        wait=wait,
    )
