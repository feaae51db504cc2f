"""The attendee's own page behind the personal link, and their calendar."""

import json
import time
from dataclasses import replace
from datetime import datetime

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...app_context import is_discreet
from ...calendars import personal
from ...database import reading, writing
from ...models import Attendee, Discussion, Registration, RegistrationStatus
from ...services.mailings import unsubscribe
from ...services.registrations import register, self_service, subject_access
from ...services.registrations.self_service import NoSuchRegistration, RegistrationEnded
from ...services.seats import allocation, retention
from .. import csrf
from ..forms import registration_forms
from ..forms.registration_forms import EntryForm
from ..public.pages import CALENDAR
from ..rate_limits import NOT_NOW, Later, taking, try_later
from ..route_properties import when_stale
from .form import wait_since

blueprint = Blueprint("own_page", __name__)


def stale(token: str) -> tuple[str, int]:
    """Return the attendee's own page after a button that came too late to do anything."""
    return shown(token, is_stale=True), 422


@blueprint.get("/registrations/erased")
def erased() -> str:
    """The page after an erasure, which names nobody."""
    return render_template("registrations/erased.html")


@blueprint.get("/registrations/<token>")
def page(token: str) -> str:
    """The attendee's own page: the stored data, and what the attendee can do."""
    return shown(token)


@blueprint.get("/registrations/<token>.json")
def download(token: str) -> Response:
    """All stored data about the attendee, as JSON."""
    with reading() as tx:
        registration, discussion = self_service.by_token(tx, token)
        held = subject_access.disclose(tx, registration, discussion)
    body = json.dumps(held, ensure_ascii=False, indent=2) + "\n"
    headers = {"Content-Disposition": 'attachment; filename="registration.json"'}
    return Response(body, content_type="application/json; charset=utf-8", headers=headers)


@blueprint.get("/registrations/<token>/cancellation.ics")
def cancellation(token: str) -> Response:
    """A calendar file that removes the entry: an erasure sends no letter that would."""
    with reading() as tx:
        registration, discussion = self_service.by_token(tx, token)
        address = registration.attendee(tx.keys).address
    guest = personal.Guest.of(discussion, registration, address, later=1)
    body = personal.cancellation(
        discussion,
        guest,
        app_context.now(),
        app_context.links(),
        is_discreet=is_discreet(discussion),
    )
    headers = {"Content-Disposition": 'attachment; filename="cancellation.ics"'}
    return Response(body, content_type=f"{CALENDAR}; method=CANCEL", headers=headers)


@blueprint.post("/registrations/<token>/confirm")
@when_stale(stale)
def confirm(token: str) -> BaseResponse:
    """Confirm the address."""
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, token)
        register.confirm(tx, registration)
    return _to_page(token)


@blueprint.post("/registrations/<token>/withdraw")
@when_stale(stale)
def withdraw(token: str) -> BaseResponse:
    """Withdraw from the discussion."""
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, token)
        self_service.withdraw(tx, registration)
    return _to_page(token)


@blueprint.post("/registrations/<token>/erase")
@when_stale(stale)
def erase(token: str) -> BaseResponse:
    """Erase all stored data at once."""
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, token)
        receipt = self_service.erase(tx, registration)
    app_context.record_erasure(receipt)
    return redirect(url_for("own_page.erased"), 303)


@blueprint.post("/registrations/<token>/change")
@csrf.checks_token
def change(token: str) -> BaseResponse | tuple[str, int, dict[str, str]]:
    """Change the stored data; a new address takes effect when it is confirmed."""
    started = time.monotonic()
    typed = _change_form(token)
    if not typed.validate():
        return shown(token, typed), 422, {}
    try:
        with taking() as tx:
            self_service.change(tx, token, typed.entry())
    except NOT_NOW as refusal:
        return try_later(refusal, lambda wait: shown(token, typed, wait=wait))
    wait_since(started)
    return _to_page(token)


@blueprint.get("/registrations/address/<signed>")
def new_address(signed: str) -> str:
    """Ask the reader of the letter to the new address to confirm it."""
    with reading() as tx:
        registration, attendee = self_service.by_new_address(tx, signed)
        discussion = tx.get_one(Discussion, registration.discussion_id)
    return render_template(
        "registrations/new_address.html",
        discussion=discussion,
        attendee=attendee,
    )


@blueprint.post("/registrations/address/<signed>")
@when_stale(lambda signed: (new_address(signed), 422))
def confirm_new_address(signed: str) -> BaseResponse:
    """Make the new address the attendee's."""
    with writing() as tx:
        token = self_service.confirm_new_address(tx, signed)
    return _to_page(token)


@blueprint.get("/registrations/calendar/<token>.ics")
def calendar(token: str) -> Response:
    """The attendee's calendar, with the join link. Its token reads this and nothing else."""
    with reading() as tx:
        registration, discussion = self_service.by_calendar_token(tx, token)
    if registration.is_withdrawn:
        raise RegistrationEnded
    if registration.status is not RegistrationStatus.CONFIRMED:
        raise NoSuchRegistration
    sequence = personal.sequence(discussion, registration)
    body = personal.calendar(
        discussion, sequence, app_context.links(), is_discreet=is_discreet(discussion)
    )
    headers = {"Cache-Control": "private, no-cache"}
    response = Response(body, content_type=CALENDAR, headers=headers)
    response.add_etag()
    response.make_conditional(request)
    return response


def shown(
    token: str,
    typed: EntryForm | None = None,
    *,
    is_stale: bool = False,
    wait: Later | None = None,
) -> str:
    """Return the attendee's own page, with a form that was not taken, if there is one."""
    with reading() as tx:
        registration, discussion = self_service.by_token(tx, token)
        before = allocation.waiting_before(tx, registration)
        attendee = registration.attendee(tx.keys)
        received = unsubscribe.list_received(tx, registration, discussion, app_context.links())
    return render_template(
        "registrations/page.html",
        registration=registration,
        discussion=discussion,
        attendee=attendee,
        place=before + 1,
        form=typed or _form_of(registration, discussion, attendee),
        is_changing=typed is not None,
        is_stale=is_stale,
        wait=wait,
        is_open=discussion.takes_registrations(app_context.now()),
        tense=discussion.when.tense(app_context.now()),
        links=app_context.links(),
        answers_erase_at=_answers_erase_at(registration, discussion, is_over=False),
        received=received,
    )


def _change_form(token: str) -> EntryForm:
    with reading() as tx:
        registration, discussion = self_service.by_token(tx, token)
        attendee = registration.attendee(tx.keys)
    return _form_of(registration, discussion, attendee)


def _form_of(registration: Registration, discussion: Discussion, attendee: Attendee) -> EntryForm:
    content = discussion.content
    if _answers_erase_at(registration, discussion, is_over=True):
        content = replace(content, questions=[])  # answers would be erased within the hour
    return registration_forms.change(content, registration, attendee, app_context.settings())


def _answers_erase_at(
    registration: Registration, discussion: Discussion, *, is_over: bool
) -> datetime | None:
    """Return when answers and attendance are erased, if they are erased early, and if that moment
    is over or is not."""
    settings = app_context.settings()
    at = retention.answers_erase_at(discussion, registration.registered_at, settings)
    return at if at and (at <= app_context.now()) is is_over else None


def _to_page(token: str) -> BaseResponse:
    return redirect(url_for("own_page.page", token=token), 303)
