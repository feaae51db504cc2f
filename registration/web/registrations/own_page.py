"""The attendee's own page behind the personal link, and their calendar."""

import json
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...app_context import is_discreet
from ...calendars import personal
from ...database import Transaction, reading, writing
from ...models import Attendee, Discussion, Registration, RegistrationStatus
from ...refusals import Refusal
from ...services.mailings import unsubscribe
from ...services.rate_limits import Form
from ...services.registrations import confirmation, self_service, subject_access
from ...services.registrations.confirmation import Opened
from ...services.registrations.self_service import NoSuchRegistration, RegistrationEnded
from ...services.seats import allocation, retention
from ...services.shown import ChangedSinceShown
from ...text.languages import phrase
from .. import csrf
from ..forms import registration_forms
from ..forms.registration_forms import EntryForm
from ..public.pages import CALENDAR
from ..rate_limits import NOT_NOW, Answer, mistaken, taking, try_later
from ..route_properties import takes, when_stale
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
        opened = confirmation.open_link(tx, token)
        held = subject_access.disclose(tx, opened.registration, opened.discussion)
    body = json.dumps(held, ensure_ascii=False, indent=2) + "\n"
    headers = {"Content-Disposition": 'attachment; filename="registration.json"'}
    return Response(body, content_type="application/json; charset=utf-8", headers=headers)


@blueprint.get("/registrations/<token>/cancellation.ics")
def cancellation(token: str) -> Response:
    """A calendar file that removes the entry: an erasure sends no letter that would."""
    with reading() as tx:
        opened = confirmation.open_link(tx, token)
        address = opened.registration.attendee(tx.keys).address
    guest = personal.Guest.of(opened.discussion, opened.registration, address, later=1)
    body = personal.cancellation(
        opened.discussion,
        guest,
        app_context.now(),
        app_context.links(),
        is_discreet=is_discreet(opened.discussion),
    )
    headers = {"Content-Disposition": 'attachment; filename="cancellation.ics"'}
    return Response(body, content_type=f"{CALENDAR}; method=CANCEL", headers=headers)


@blueprint.post("/registrations/<token>/confirm")
@when_stale(stale)
def confirm(token: str) -> BaseResponse | tuple[str, int]:
    """Confirm the text that the page showed."""
    try:
        with writing() as tx:
            confirmation.confirm(tx, token, seen())
    except ChangedSinceShown as refusal:
        return shown(token, refusal=refusal), 409
    return _to_page(token)


@blueprint.post("/registrations/<token>/prove")
@when_stale(stale)
def prove(token: str) -> BaseResponse | tuple[str, int]:
    """Take the press as proof that the attendee reads the address."""
    try:
        with writing() as tx:
            opened = confirmation.open_locked(tx, token)
            confirmation.refuse_if_changed(tx, opened, seen())
            self_service.prove(tx, opened.registration)
    except ChangedSinceShown as refusal:
        return shown(token, refusal=refusal), 409
    return _to_page(token)


@blueprint.post("/registrations/<token>/withdraw")
@when_stale(stale)
def withdraw(token: str) -> BaseResponse | tuple[str, int]:
    """Withdraw from the discussion."""
    try:
        with writing() as tx:
            opened = confirmation.open_locked(tx, token)
            if opened.shown.is_registered:
                confirmation.refuse_if_changed(tx, opened, seen())
                self_service.withdraw(tx, opened.registration)
                self_service.prove(tx, opened.registration)
    except ChangedSinceShown as refusal:
        return shown(token, refusal=refusal), 409
    return _to_page(token)


@blueprint.post("/registrations/<token>/erase")
@when_stale(stale)
def erase(token: str) -> BaseResponse | tuple[str, int]:
    """Erase all stored data at once."""
    try:
        with writing() as tx:
            opened = confirmation.open_locked(tx, token)
            confirmation.refuse_if_changed(tx, opened, seen())
            receipt = self_service.erase(tx, opened.registration)
    except ChangedSinceShown as refusal:
        return shown(token, refusal=refusal), 409
    app_context.record_erasure(receipt)
    return redirect(url_for("own_page.erased"), 303)


@blueprint.post("/registrations/<token>/change")
@takes(Form.CHANGE)
@csrf.checks_token
def change(token: str) -> BaseResponse | Answer:
    """Change the stored data; a new address takes effect when it is confirmed."""
    started = time.monotonic()
    typed = _change_form(token)
    if not typed.validate():
        return mistaken(lambda wait: shown(token, typed, wait=wait))
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
    return _new_address_page(signed)


@blueprint.post("/registrations/address/<signed>")
@when_stale(lambda signed: (_new_address_page(signed), 422))
def confirm_new_address(signed: str) -> BaseResponse | tuple[str, int]:
    """Make the new address the attendee's."""
    try:
        with writing() as tx:
            token = self_service.confirm_new_address(tx, signed, seen())
    except ChangedSinceShown as refusal:
        return _new_address_page(signed, refusal), 409
    return _to_page(token)


def _new_address_page(signed: str, refusal: Refusal | None = None) -> str:
    with reading() as tx:
        registration, attendee = self_service.by_new_address(tx, signed)
        discussion = tx.get_one(Discussion, registration.discussion_id)
        digest = self_service.digest_new_address(tx, registration, discussion)
    return render_template(
        "registrations/new_address.html",
        registration=registration,
        discussion=discussion,
        attendee=attendee,
        digest=digest,
        refusal=phrase(refusal) if refusal else "",
    )


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


def seen() -> str:
    """Return the digest that a button carries of the page that it was on."""
    return request.form.get("seen", "")


def shown(
    token: str,
    typed: EntryForm | None = None,
    *,
    refusal: Refusal | None = None,
    **said: Any,
) -> str:
    """Return the attendee's own page, with a form that was not taken, if there is one; `said` is
    `is_stale` or `wait`, and `refusal` says why a button did nothing."""
    links = app_context.links()
    with reading() as tx:
        opened = confirmation.open_link(tx, token)
        if opened.is_passed:
            return _passed_page(tx, opened)
        before = allocation.waiting_before(tx, opened.shown)
        attendee = opened.shown.attendee(tx.keys)
        received = unsubscribe.list_received(tx, opened.registration, opened.discussion, links)
        newer = opened.newer.text(tx.keys).token if opened.newer else ""
        digest = confirmation.digest(tx, opened)
    return render_template(
        "registrations/page.html",
        registration=opened.shown,
        discussion=opened.discussion,
        attendee=attendee,
        newer=newer,
        has_other_forms=bool(opened.form or opened.newer),
        digest=digest,
        place=before + 1,
        form=typed or _form_of(opened.shown, opened.discussion, attendee),
        is_changing=typed is not None,
        refusal=phrase(refusal) if refusal else "",
        is_open=opened.discussion.takes_registrations(app_context.now()),
        tense=opened.discussion.when.tense(app_context.now()),
        links=links,
        answers_erase_at=_answers_erase_at(opened.shown, opened.discussion, is_over=False),
        received=received if opened.form is None else [],
        **{"is_stale": False, "wait": None} | said,
    )


def _passed_page(tx: Transaction, opened: Opened) -> str:
    """Return the page of a link that confirms nothing any more: it leads to the own page."""
    token = opened.registration.attendee(tx.keys).token
    return render_template("registrations/passed.html", discussion=opened.discussion, token=token)


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
