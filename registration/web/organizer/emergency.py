"""For administrators, in an emergency: erase everybody now, and sign everybody out."""

from http import HTTPStatus

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ...database import reading, writing
from ...models import Deed
from ...services import audit_log
from ...services.erasure import everybody
from ...services.organizers import authentication
from ...worker import housekeeping
from .. import csrf
from ..forms.organizer_forms import EVERY_DISCUSSION, EraseEverybodyForm, SignEverybodyOutForm
from ..rate_limits import NOT_NOW, Later, try_later
from ..route_properties import for_administrators
from . import reauthentication
from .access import organizer, signed_out

blueprint = Blueprint("emergency", __name__)

# The request itself erases for so long; the worker goes on.
MAX_SECONDS = 20.0


@blueprint.get("/emergency")
@for_administrators
def emergency() -> str:
    """The numbers of people, and the two buttons."""
    return _page()


@blueprint.post("/emergency/erase")
@for_administrators
@csrf.checks_token
def erase_everybody() -> BaseResponse | tuple[str, int, dict[str, str]]:
    """Erase everybody of one discussion, or of all: mark them, and begin at once."""
    typed = _erase_form()
    if not typed.validate():
        return _page(typed), 422, {}
    try:
        is_proven = reauthentication.is_proven(typed)
    except NOT_NOW as refusal:
        return try_later(refusal, lambda wait: _page(typed, wait=wait))
    if not is_proven:
        return _page(typed, is_wrong=True), 422, {}
    count = _mark(None if typed.scope.data == EVERY_DISCUSSION else typed.scope.data)
    housekeeping.erase_marked(MAX_SECONDS)
    return redirect(url_for("organizer.emergency.emergency", erased=count), HTTPStatus.SEE_OTHER)


@blueprint.post("/emergency/sign-out")
@for_administrators
@csrf.checks_token
def sign_everybody_out() -> BaseResponse | tuple[str, int]:
    """End every session of every organizer, one's own too."""
    typed = SignEverybodyOutForm()
    if not typed.validate():
        return _page(leaving=typed), 422
    with writing() as tx:
        authentication.sign_everybody_out(tx, organizer().id)
    return signed_out()


def _mark(slug: str | None) -> int:
    with writing() as tx:
        count = everybody.mark(tx, slug)
        audit_log.note(tx, Deed.EVERYBODY_ERASED, by=organizer().id, slug=slug, count=count)
    return count


def _erase_form() -> EraseEverybodyForm:
    with reading() as tx:
        counts = [
            (item.discussion.slug, item.discussion.content.title, item.registrations)
            for item in everybody.count(tx)
        ]
    return EraseEverybodyForm(counts)


def _page(
    typed: EraseEverybodyForm | None = None,
    leaving: SignEverybodyOutForm | None = None,
    *,
    wait: Later | None = None,
    is_wrong: bool = False,
) -> str:
    with reading() as tx:
        left = sum(item.registrations for item in everybody.count(tx) if item.is_marked)
        is_going_on = everybody.has_marked(tx)
    return render_template(
        "organizer/emergency.html",
        form=typed or _erase_form(),
        leaving=leaving or SignEverybodyOutForm(),
        erased=request.args.get("erased", type=int),
        left=left,
        is_going_on=is_going_on,
        wait=wait,
        is_wrong=is_wrong,
    )
