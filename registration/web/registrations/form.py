"""Registration, and the form that sends one's personal link again."""

import time
from typing import NamedTuple

from flask import Blueprint, current_app, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...database import DatabaseBusy, DatabaseUnavailable, reading
from ...models import Discussion
from ...services.rate_limits import Form
from ...services.registrations import register, self_service
from ...services.registrations.register import RegistrationClosed
from ...services.seats import allocation, retention
from .. import csrf, mailbox
from ..forms import registration_forms
from ..forms.registration_forms import EntryForm, FindForm
from ..public.pages import published
from ..rate_limits import NOT_NOW, Answer, Later, mistaken, taking, try_later
from ..route_properties import takes

blueprint = Blueprint("registrations", __name__)


@blueprint.get("/discussions/<slug>/register")
def form(slug: str) -> str:
    """The registration form."""
    return _form_page(_opened(slug))


@blueprint.post("/discussions/<slug>/register")
@takes(Form.REGISTER)
@csrf.checks_token
def submit(slug: str) -> BaseResponse | Answer:
    """Take a registration. The answer is the same for every address."""
    started = time.monotonic()
    opened = _opened(slug)
    if not opened.form.validate():
        return mistaken(lambda wait: _form_page(opened, wait))
    try:
        with taking(opened.discussion.uid) as tx:
            register.register(tx, slug, opened.form.entry())
    except RegistrationClosed:
        return _form_page(opened), 409, {}
    except NOT_NOW as refusal:
        return try_later(refusal, lambda wait: _form_page(opened, wait))
    wait_since(started)
    return redirect(url_for("registrations.registered", slug=slug), 303)


@blueprint.get("/discussions/<slug>/registered")
def registered(slug: str) -> str:
    """The next steps: the same for everybody who sent the form."""
    with reading() as tx:
        discussion = published(tx, slug)
    return render_template(
        "registrations/registered.html",
        discussion=discussion,
        most=register.LETTERS_A_DAY,
        shows_letters=mailbox.is_open(),
    )


@blueprint.get("/registrations/find")
def find() -> str:
    """Ask for one's personal link."""
    return _find_page(FindForm(app_context.now()))


@blueprint.post("/registrations/find")
@takes(Form.FIND)
@csrf.checks_token
def send_links() -> BaseResponse | Answer:
    """Send the personal link to an address, if it is known; the answer does not tell."""
    started = time.monotonic()
    typed = FindForm(app_context.now())
    if not typed.validate():
        return mistaken(lambda wait: _find_page(typed, wait))
    try:
        with taking() as tx:
            self_service.send_links(tx, typed.email.address)
    except NOT_NOW as refusal:
        return try_later(refusal, lambda wait: _find_page(typed, wait))
    wait_since(started)
    return redirect(url_for("registrations.sent"), 303)


@blueprint.get("/registrations/sent")
def sent() -> str:
    """The next steps: the same for everybody who asked."""
    most = register.LETTERS_A_DAY
    return render_template("registrations/sent.html", most=most, shows_letters=mailbox.is_open())


def wait_since(started: float) -> None:
    """Answer after a fixed time, so that the time does not tell a known from an unknown address."""
    floor: float = current_app.config["ANSWER_FLOOR"]
    time.sleep(max(0.0, started + floor - time.monotonic()))


class Opened(NamedTuple):
    """A discussion, whether a new registration would wait, and the form to register."""

    discussion: Discussion
    is_full: bool
    form: EntryForm


def _opened(slug: str) -> Opened:
    discussion, is_full = _last_read(slug)
    form = registration_forms.registration(
        discussion.content, app_context.now(), app_context.settings()
    )
    return Opened(discussion, is_full, form)


def _last_read(slug: str) -> tuple[Discussion, bool]:
    """Return a discussion, and whether it is full.

    While the database cannot be read, return what was read last: then typed text can be shown
    again, with a sentence that it could not be stored.
    """
    last: dict[str, tuple[Discussion, bool]] = current_app.extensions.setdefault("last read", {})
    try:
        with reading() as tx:
            discussion = published(tx, slug)
            last[slug] = discussion, allocation.is_full(tx, discussion)
    except (DatabaseBusy, DatabaseUnavailable):
        if slug not in last:
            raise
    return last[slug]


def _find_page(typed: FindForm, wait: Later | None = None) -> str:
    return render_template("registrations/find.html", form=typed, wait=wait)


def _form_page(opened: Opened, wait: Later | None = None) -> str:
    discussion, now, settings = opened.discussion, app_context.now(), app_context.settings()
    return render_template(
        "registrations/form.html",
        discussion=discussion,
        form=opened.form,
        tense=discussion.when.tense(now),
        is_open=discussion.takes_registrations(now),
        is_full=opened.is_full,
        wait=wait,
        erase_at=retention.erase_at(discussion, now, settings),
        answers_erase_at=retention.answers_erase_at(discussion, now, settings),
        unconfirmed=retention.UNCONFIRMED_RETENTION,
        settings=settings,
    )
