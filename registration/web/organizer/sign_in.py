"""Signing in and out."""

from contextlib import suppress

from flask import Blueprint, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...database import reading, writing
from ...services.organizers import authentication, failed_sign_ins, passwords
from .. import csrf
from ..forms.organizer_forms import SignInForm, safe_next
from ..rate_limits import NOT_NOW, Later, client, try_later
from ..route_properties import open_to_all
from . import cookies
from .access import organizer, signed_out

blueprint = Blueprint("sign_in", __name__)


@blueprint.get("")
@open_to_all
def without_slash() -> BaseResponse:
    """Redirect to the desk from its address without the last stroke."""
    return redirect(url_for("organizer.discussions.overview"))


@blueprint.get("/sign-in")
@open_to_all
def sign_in() -> str:
    """The form to sign in."""
    return _sign_in_page(SignInForm(next=request.args.get("next", "")))


@blueprint.post("/sign-in")
@open_to_all
@csrf.checks_token
def submit_sign_in() -> BaseResponse | tuple[str, int, dict[str, str]]:
    """Sign in if address, password and code are right; the answer never says which one is wrong."""
    typed = SignInForm()
    if not typed.validate():
        return _sign_in_page(typed), 422, {}
    try:
        token = _begin(typed)
    except NOT_NOW as refusal:
        return try_later(refusal, lambda wait: _sign_in_page(typed, wait))
    if token is None:
        return _sign_in_page(typed, is_wrong=True), 422, {}
    session.clear()  # no CSRF token outlives a sign-in
    response = redirect(safe_next(typed.next.data or ""), 303)
    cookies.give(response, token)
    return response


def _begin(typed: SignInForm) -> str | None:
    """Return a new token, or None; a failure is counted. The password is checked outside of any
    transaction, because the check is slow on purpose."""
    with writing() as tx:
        authentication.take_try(tx, client(), cookies.device())
    with reading() as tx:
        found, kept = authentication.find_password_hash(tx, typed.email.address)
    password, cost = typed.password.data, app_context.password_cost()
    if not passwords.is_right(password, kept, cost) or kept is None:
        with writing() as tx:
            failed_sign_ins.note(tx)
        return None
    with writing() as tx:
        token = authentication.sign_in(tx, found, kept, typed.code.data)
        if token:  # the session that this browser had ends with its cookie
            authentication.sign_out(tx, cookies.token())
    if token and passwords.is_outdated(kept, cost):
        _renew_hash(found, kept, password)
    return token


def _renew_hash(organizer_id: int, kept: str, password: str) -> None:
    """Hash the same password with today's parameters; if that fails, the next sign-in does it."""
    with suppress(*NOT_NOW):
        renewed = passwords.hash_password(password, app_context.password_cost())
        with writing() as tx:
            authentication.renew_hash(tx, organizer_id, kept, renewed)


@blueprint.post("/sign-out")
def sign_out() -> BaseResponse:
    """Sign out in this browser."""
    return _sign_out(everywhere=False)


@blueprint.post("/sign-out-everywhere")
def sign_out_everywhere() -> BaseResponse:
    """Sign out in every browser."""
    return _sign_out(everywhere=True)


def _sign_out(*, everywhere: bool) -> BaseResponse:
    with writing() as tx:
        if everywhere:
            authentication.sign_out_everywhere(tx, organizer().id)
        else:
            authentication.sign_out(tx, cookies.token())
    return signed_out()


def _sign_in_page(typed: SignInForm, wait: Later | None = None, *, is_wrong: bool = False) -> str:
    return render_template(
        "organizer/sign_in.html",
        form=typed,
        wait=wait,
        is_wrong=is_wrong,
    )
