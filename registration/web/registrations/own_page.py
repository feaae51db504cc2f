"""The attendee's own page behind the personal link, and their calendar."""

import json
import time

from flask import Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ... import house
from ...calendars import personal
from ...database import reading, writing
from ...models import Attendee, Discussion, Registration, RegistrationStatus
from ...refusals import Refusal
from ...services.mailings import unsubscribe
from ...services.registrations import register, self_service, subject_access
from ...services.registrations.self_service import NoSuchRegistration
from ...services.seats import allocation
from ..forms import registration_forms
from ..forms.registration_forms import EntryForm
from ..public.pages import CALENDAR
from ..rate_limits import NOT_NOW, Later, later, taking
from .form import place, wait_since


class RegistrationEnded(Refusal):
    """The registration's calendar has nothing more to tell: the attendee has withdrawn."""


@place.get("/registrations/erased")
def erased() -> str:
    """The receipt of an erasure: there is nobody left to name."""
    return render_template("registrations/erased.html")


@place.get("/registrations/<token>")
def page(token: str) -> str:
    """The attendee's own page: what is held, and what they can do."""
    return shown(token)


@place.get("/registrations/<token>.json")
def download(token: str) -> Response:
    """Everything that is held about the attendee."""
    with reading() as session:
        registration, discussion = self_service.by_token(session, token)
        held = subject_access.held(session, registration, discussion, house.ring(session))
    body = json.dumps(held, ensure_ascii=False, indent=2) + "\n"
    headers = {"Content-Disposition": 'attachment; filename="registration.json"'}
    return Response(body, content_type="application/json; charset=utf-8", headers=headers)


@place.get("/registrations/<token>/cancellation.ics")
def cancellation(token: str) -> Response:
    """What takes the entry out of a calendar, for whoever erases everything and gets no letter."""
    with reading() as session:
        registration, discussion = self_service.by_token(session, token)
        address = registration.attendee(house.ring(session)).address
    guest = personal.Guest.of(discussion, registration, address, later=1)
    body = personal.cancellation(discussion, guest, house.now(), house.links())
    headers = {"Content-Disposition": 'attachment; filename="cancellation.ics"'}
    return Response(body, content_type=f"{CALENDAR}; method=CANCEL", headers=headers)


@place.post("/registrations/<token>/confirm")
def confirm(token: str) -> BaseResponse | tuple[str, int]:
    """Confirm the address."""
    if not registration_forms.button().validate():
        return shown(token, is_stale=True), 422
    with writing() as session:
        registration, _discussion = self_service.by_token(session, token)
        register.confirm(session, registration, **house.means(session))
    return _to_page(token)


@place.post("/registrations/<token>/withdraw")
def withdraw(token: str) -> BaseResponse | tuple[str, int]:
    """Withdraw from the discussion."""
    if not registration_forms.button().validate():
        return shown(token, is_stale=True), 422
    with writing() as session:
        registration, _discussion = self_service.by_token(session, token)
        self_service.withdraw(session, registration, **house.means(session))
    return _to_page(token)


@place.post("/registrations/<token>/erase")
def erase(token: str) -> BaseResponse | tuple[str, int]:
    """Erase everything that is held, at once."""
    if not registration_forms.button().validate():
        return shown(token, is_stale=True), 422
    with writing() as session:
        registration, _discussion = self_service.by_token(session, token)
        receipt = self_service.erase(
            session, registration, settings=house.settings(), now=house.now()
        )
    house.remember(receipt)
    return redirect(url_for("registrations.erased"), 303)


@place.post("/registrations/<token>/change")
def change(token: str) -> BaseResponse | tuple[str, int, dict[str, str]]:
    """Change what is held; a new address takes effect when it confirms."""
    started = time.monotonic()
    with reading() as session:
        registration, discussion = self_service.by_token(session, token)
        attendee = registration.attendee(house.ring(session))
    typed = _change_form(registration, discussion, attendee)
    if not typed.validate():
        return shown(token, typed, is_stale=registration_forms.is_stale(typed)), 422, {}
    try:
        with taking() as session:
            self_service.change(session, token, typed.entry(), **house.means(session))
    except NOT_NOW as refusal:
        wait = later(refusal)
        return shown(token, typed, wait=wait), wait.status, wait.headers
    wait_since(started)
    return _to_page(token)


@place.get("/registrations/address/<signed>")
def new_address(signed: str) -> str:
    """Ask whoever reads the new address to confirm it."""
    with reading() as session:
        registration, attendee = self_service.by_new_address(
            session, signed, ring=house.ring(session)
        )
        discussion = session.get_one(Discussion, registration.discussion_id)
    return render_template(
        "registrations/new_address.html",
        discussion=discussion,
        attendee=attendee,
        button=registration_forms.button(),
    )


@place.post("/registrations/address/<signed>")
def confirm_new_address(signed: str) -> BaseResponse | tuple[str, int]:
    """Make the new address the attendee's."""
    if not registration_forms.button().validate():
        return new_address(signed), 422
    with writing() as session:
        token = self_service.confirm_new_address(session, signed, **house.means(session))
    return _to_page(token)


@place.get("/registrations/calendar/<token>.ics")
def calendar(token: str) -> Response:
    """The attendee's calendar, with the join link. Its token reads this and nothing else."""
    with reading() as session:
        registration, discussion = self_service.by_calendar_token(session, token)
    if registration.status is RegistrationStatus.WITHDRAWN:
        raise RegistrationEnded("This calendar has ended.")
    if registration.status is not RegistrationStatus.CONFIRMED:
        raise NoSuchRegistration("There is no calendar yet.")
    sequence = personal.sequence(discussion, registration)
    body = personal.calendar(discussion, sequence, house.links())
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
    """Return the attendee's own page, with what was typed and why it was not taken."""
    with reading() as session:
        registration, discussion = self_service.by_token(session, token)
        before = allocation.waiting_before(session, registration)
        ring = house.ring(session)
        attendee = registration.attendee(ring)
        written = unsubscribe.received(session, registration, discussion, ring, house.links())
    return render_template(
        "registrations/page.html",
        registration=registration,
        discussion=discussion,
        attendee=attendee,
        place=before + 1,
        button=registration_forms.button(),
        form=typed or _change_form(registration, discussion, attendee),
        is_changing=typed is not None,
        is_stale=is_stale,
        wait=wait,
        is_open=discussion.takes_registrations(house.now()),
        tense=discussion.when.tense(house.now()),
        links=house.links(),
        received=written,
    )


def _change_form(
    registration: Registration, discussion: Discussion, attendee: Attendee
) -> EntryForm:
    return registration_forms.change(
        discussion.content,
        attendee,
        zone=registration.zone,
        wants_follow_up=registration.wants_follow_up,
    )


def _to_page(token: str) -> BaseResponse:
    return redirect(url_for("registrations.page", token=token), 303)
