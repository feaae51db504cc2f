"""Stop the mailings to an attendee: by the link in each of them, which opens nothing else, or by a
button on the attendee's own page.

Mail programs send a POST to the link themselves (RFC 8058), with a fixed body and without cookies:
it is the one POST that is taken without a CSRF token.
"""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ...database import reading, writing
from ...services.mailings import unsubscribe
from ...services.registrations import self_service
from .. import csrf
from ..route_properties import when_stale
from .own_page import stale

blueprint = Blueprint("unsubscribe", __name__)


@blueprint.get("/registrations/circulars/<signed>")  # as letters that were sent before 0010 have it
@blueprint.get("/registrations/mailings/<signed>")
def mailings(signed: str) -> str:
    """Ask the attendee of a link whether to stop the mailings."""
    return _page(signed)


@blueprint.post("/registrations/circulars/<signed>")  # as above
@blueprint.post("/registrations/mailings/<signed>")
@csrf.checks_token
def stop_by_link(signed: str) -> BaseResponse | str | tuple[str, int]:
    """Stop the mailings to the attendee for whom the link was signed."""
    is_one_click = request.form.get("List-Unsubscribe") == "One-Click"
    if not is_one_click and not csrf.is_valid():
        return _page(signed, is_stale=True), 422
    with writing() as tx:
        registration, _discussion = unsubscribe.by_link(tx, signed)
        unsubscribe.stop(tx, registration)
    if is_one_click:  # mail programs need not follow a redirect
        return _page(signed)
    return redirect(url_for("unsubscribe.mailings", signed=signed), 303)


@blueprint.post("/registrations/<token>/mailings/stop")
@when_stale(stale)
def stop_mailings(token: str) -> BaseResponse:
    """Send no more mailings to an attendee."""
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, token)
        unsubscribe.stop(tx, registration)
        self_service.prove(tx, registration)
    return redirect(url_for("own_page.page", token=token), 303)


@blueprint.post("/registrations/<token>/mailings/resume")
@when_stale(stale)
def resume_mailings(token: str) -> BaseResponse:
    """Send mailings to an attendee again."""
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, token)
        unsubscribe.resume(registration)
        self_service.prove(tx, registration)
    return redirect(url_for("own_page.page", token=token), 303)


def _page(signed: str, *, is_stale: bool = False) -> str:
    with reading() as tx:
        registration, discussion = unsubscribe.by_link(tx, signed)
    is_stopped = registration.mailings_stopped_at is not None
    return render_template(
        "registrations/mailings.html",
        discussion=discussion,
        is_stopped=is_stopped,
        is_stale=is_stale and not is_stopped,
    )
