"""One attendee's page: the stored data, a timeline with the fate of each letter, and what an
organizer can do for the attendee."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...database import Transaction, reading, writing
from ...models import Deed, Registration
from ...services import shown
from ...services.attendees import table, timeline
from ...services.registrations import manage, self_service
from ...services.registrations.manage import (
    AlreadyRegistered,
    EnoughLetters,
    HasWithdrawn,
    TakesNobody,
)
from ...services.seats import allocation
from ...services.shown import ChangedSinceShown
from ...text.languages import gettext as _
from ...text.languages import phrase
from .. import csrf
from ..forms.organizer_forms import CorrectionForm
from ..route_properties import when_stale
from . import access
from .access import note

blueprint = Blueprint("attendee", __name__)

_ONE = "/discussions/<slug>/attendees/<public_id>"


def _stale(slug: str, public_id: str) -> tuple[str, int]:
    return _page(slug, public_id, is_stale=True), 422


@blueprint.get(_ONE)
def attendee(slug: str, public_id: str) -> str:
    """The stored data of one attendee, and what happened."""
    return _page(slug, public_id)


@blueprint.post(f"{_ONE}/send")
@when_stale(_stale)
def send_again(slug: str, public_id: str) -> BaseResponse | tuple[str, int]:
    """Send the letter again that states their status."""
    try:
        with writing() as tx:
            registration = _find_as_shown(tx, slug, public_id)
            manage.send_again(tx, registration)
            note(tx, Deed.LETTER_SENT_AGAIN, slug, count=1)
    except (ChangedSinceShown, EnoughLetters, TakesNobody) as refusal:
        return _page(slug, public_id, refusal=phrase(refusal)), 409
    return _back(slug, public_id)


@blueprint.post(f"{_ONE}/retry")
@when_stale(_stale)
def retry(slug: str, public_id: str) -> BaseResponse | tuple[str, int]:
    """Send the letters again that have failed, or that a restore has held back."""
    with writing() as tx:
        registration = _find(tx, slug, public_id)
        if count := manage.retry(tx, registration):
            note(tx, Deed.LETTER_SENT_AGAIN, slug, count=count)
    return _back(slug, public_id)


@blueprint.post(f"{_ONE}/address")
@csrf.checks_token
def correct_address(slug: str, public_id: str) -> BaseResponse | tuple[str, int]:
    """Correct the address."""
    typed = CorrectionForm()
    if not typed.validate():
        return _page(slug, public_id, typed), 422
    try:
        with writing() as tx:
            registration = _find_as_shown(tx, slug, public_id)
            address = typed.email.address
            manage.correct_address(tx, registration, address)
            note(tx, Deed.ADDRESS_CORRECTED, slug, count=1)
    except (AlreadyRegistered, ChangedSinceShown, EnoughLetters, HasWithdrawn) as refusal:
        typed.email.errors = [phrase(refusal)]
        return _page(slug, public_id, typed), 409
    return _back(slug, public_id)


@blueprint.post(f"{_ONE}/withdraw")
@when_stale(_stale)
def withdraw(slug: str, public_id: str) -> BaseResponse | tuple[str, int]:
    """Withdraw them, as they could themselves."""
    try:
        with writing() as tx:
            registration = _find_as_shown(tx, slug, public_id)
            if registration.is_registered:
                self_service.withdraw(tx, registration)
                note(tx, Deed.ATTENDEE_WITHDRAWN, slug, count=1)
    except ChangedSinceShown as refusal:
        return _page(slug, public_id, refusal=phrase(refusal)), 409
    return _back(slug, public_id)


@blueprint.post(f"{_ONE}/erase")
@when_stale(_stale)
def erase(slug: str, public_id: str) -> BaseResponse | tuple[str, int]:
    """Erase all data of an attendee at once, and show the table again."""
    if not request.form.get("sure"):
        return _page(slug, public_id, refusal=_("Tick the box first: nothing was erased.")), 422
    try:
        with writing() as tx:
            registration = _find_as_shown(tx, slug, public_id)
            receipt = self_service.erase(tx, registration)
            note(tx, Deed.ATTENDEE_ERASED, slug, count=len(receipt.public_ids))
    except ChangedSinceShown as refusal:
        return _page(slug, public_id, refusal=phrase(refusal)), 409
    app_context.record_erasure(receipt)
    return redirect(url_for("organizer.attendees.attendees", slug=slug), 303)


@blueprint.post(f"{_ONE}/attended")
@when_stale(_stale)
def mark(slug: str, public_id: str) -> BaseResponse | tuple[str, int]:
    """Mark an attendee as attended, or as absent."""
    attended = request.form.get("attended") == "yes"
    with writing() as tx:
        discussion = access.discussion(tx, slug)
        _find(tx, slug, public_id)
        if manage.mark_attendance(tx, discussion, [public_id], attended=attended):
            deed = Deed.MARKED_ATTENDED if attended else Deed.MARKED_ABSENT
            note(tx, deed, slug, count=1)
    return _back(slug, public_id)


def _find(tx: Transaction, slug: str, public_id: str) -> Registration:
    discussion = access.discussion(tx, slug)
    return table.find_registration(tx, discussion.id, public_id)


def _find_as_shown(tx: Transaction, slug: str, public_id: str) -> Registration:
    """Lock an attendee, and return them if they are as the page of the button showed them.

    Raises `ChangedSinceShown`: they may have registered again, or changed their address.
    """
    tx.hold_keys()
    discussion = access.discussion(tx, slug)
    tx.refresh(discussion, with_for_update=True)
    found = table.find_registration(tx, discussion.id, public_id, lock=True)
    facts = shown.facts_of(tx, found, discussion)
    shown.refuse_if_changed(tx, _ONE, facts, request.form.get("seen", ""))
    return found


def _back(slug: str, public_id: str) -> BaseResponse:
    return redirect(url_for("organizer.attendee.attendee", slug=slug, public_id=public_id), 303)


def _page(
    slug: str,
    public_id: str,
    typed: CorrectionForm | None = None,
    *,
    refusal: str = "",
    is_stale: bool = False,
) -> str:
    with reading() as tx:
        discussion = access.discussion(tx, slug)
        registration = table.find_registration(tx, discussion.id, public_id)
        return render_template(
            "organizer/attendee.html",
            discussion=discussion,
            registration=registration,
            attendee=registration.attendee(tx.keys),
            labels={question.key: question.label for question in discussion.content.questions},
            place=allocation.waiting_before(tx, registration) + 1,
            moments=timeline.events_of(tx, registration),
            form=typed or CorrectionForm(),
            is_correcting=typed is not None,
            refusal=refusal,
            keeps_attendance=manage.keeps_attendance(tx, discussion),
            is_stale=is_stale,
            digest=shown.digest(tx, _ONE, shown.facts_of(tx, registration, discussion)),
        )
