"""Who is signed in at the desk, and who is asked to sign in first."""

from http import HTTPStatus

from flask import (
    Response,
    g,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_wtf import FlaskForm
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...database import Transaction, reading, writing
from ...models import Deed, Organizer
from ...services import audit_log
from ...services.organizers import authentication
from .. import errors
from ..forms import registration_forms as public_forms
from ..route_properties import property_of
from . import cookies

PREFIX = "/organizer"


def organizer() -> Organizer:
    """Return who is signed in."""
    found: Organizer = g.organizer
    return found


def note(tx: Transaction, deed: Deed, slug: str, *, count: int | None = None) -> None:
    """Write into the audit log what whoever is signed in has done with a discussion."""
    audit_log.note(tx, deed, by=organizer().id, slug=slug, count=count)


def ask_to_sign_in() -> BaseResponse | None:
    """Send requests without a sign-in to the form that makes one."""
    if property_of(request.endpoint, "open_to_all"):
        return None
    now = app_context.now()
    with reading() as tx:
        found = authentication.find_signed_in(tx, cookies.token())
    if found is None:
        return _signed_out()
    g.organizer, sign_in = found
    if authentication.is_seen_note_due(sign_in, now):
        with writing() as tx:
            authentication.note_seen(tx, sign_in.id)
    return None


def given_back(typed: FlaskForm) -> tuple[str, int]:
    """Return a page with nothing but a form as it was filled in, for whoever was signed out
    meanwhile."""
    return render_template("organizer/signed_out.html", form=typed, action=request.path), 422


def _signed_out() -> BaseResponse:
    """Send whoever is not signed in to do so; but give what was typed back to a browser in which
    somebody has signed in before, if it came from a page of ours.

    Nobody else can make the desk write its longest pages; and none of them tells what is there.
    """
    give_back = property_of(request.endpoint, "gives_back")
    if give_back and cookies.device() and public_forms.button().validate():
        return make_response(give_back())
    asked = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("organizer.sign_in.sign_in", next=asked), HTTPStatus.SEE_OTHER)


def not_allowed(error: MethodNotAllowed) -> Response | HTTPException:
    """Tell nobody which addresses of the desk take what."""
    if f"{request.path}/".startswith(f"{PREFIX}/"):
        return errors.page(NotFound.code)
    return errors.http_error(error)
