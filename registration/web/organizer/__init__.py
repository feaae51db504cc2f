"""The organizer's desk, below /organizer/: who is signed in, and who is asked to sign in first."""

from collections.abc import Callable
from http import HTTPStatus

from flask import (
    Blueprint,
    Flask,
    Response,
    g,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_wtf import FlaskForm
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response as BaseResponse

from ... import house
from ...database import reading, writing
from ...models import Deed, Organizer
from ...services.audit_log import note as note_in_audit_log
from ...services.organizers import authentication
from .. import errors
from ..forms import registration_forms as public_forms
from . import cookies

PREFIX = "/organizer"
# What can be asked for by whoever is not signed in.
_OPEN = {"sign_in", "submit_sign_in", "invitation", "accept_invitation", "without_slash"}

# Forms that are long to fill in, by endpoint: what gives back what was typed.
kept_for: dict[str, Callable[[], tuple[str, int]]] = {}

place = Blueprint("organizing", __name__, url_prefix=PREFIX)


def init_app(app: Flask) -> None:
    """Give `app` the desk."""
    # They add their addresses to it.
    from . import (  # noqa: PLC0415
        attendee,  # noqa: F401
        attendees,  # noqa: F401
        audit_log,  # noqa: F401
        discussions,  # noqa: F401
        draft_review,  # noqa: F401
        edit,  # noqa: F401
        exports,  # noqa: F401
        imports,  # noqa: F401
        mailing,  # noqa: F401
        mailings,  # noqa: F401
        password,  # noqa: F401
        sign_in,  # noqa: F401
        status_changes,  # noqa: F401
    )

    app.register_blueprint(place)
    app.register_error_handler(MethodNotAllowed, _not_allowed)


def organizer() -> Organizer:
    """Return who is signed in."""
    found: Organizer = g.organizer
    return found


def note(session: Session, deed: Deed, slug: str, *, count: int | None = None) -> None:
    """Write into the audit log what whoever is signed in has done with a discussion."""
    note_in_audit_log(session, deed, by=organizer().id, slug=slug, count=count, now=house.now())


@place.before_request
def _ask_to_sign_in() -> BaseResponse | None:
    endpoint = request.endpoint or ""
    if endpoint.removeprefix("organizing.") in _OPEN:
        return None
    now = house.now()
    with reading() as session:
        found = authentication.who(session, cookies.token(), now)
    if found is None:
        return _signed_out(endpoint)
    g.organizer, sign_in = found
    if authentication.is_to_be_noted(sign_in, now):
        with writing() as session:
            authentication.note_seen(session, sign_in.id, now)
    return None


def given_back(typed: FlaskForm) -> tuple[str, int]:
    """Return a page with nothing but a form as it was filled in, for whoever was signed out
    meanwhile."""
    return render_template("organizer/signed_out.html", form=typed, action=request.path), 422


def _signed_out(endpoint: str) -> BaseResponse:
    """Send whoever is not signed in to do so; but give what was typed back to a browser in which
    somebody has signed in before, if it came from a page of ours.

    Nobody else can make the desk write its longest pages; and none of them tells what is there.
    """
    may_keep = request.method == "POST" and endpoint in kept_for and cookies.device()
    if may_keep and public_forms.button().validate():
        return make_response(kept_for[endpoint]())
    asked = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("organizing.sign_in", next=asked), HTTPStatus.SEE_OTHER)


def _not_allowed(error: MethodNotAllowed) -> Response | HTTPException:
    """Tell nobody which addresses of the desk take what."""
    if f"{request.path}/".startswith(f"{PREFIX}/"):
        return errors.page(NotFound.code)
    return errors.http_error(error)
