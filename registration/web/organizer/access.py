"""The organizer who is signed in at the desk, and the discussions that this organizer has."""

from http import HTTPStatus

from flask import (
    Response,
    after_this_request,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...database import Transaction, reading, writing
from ...models import Deed, Discussion, Organizer, Role
from ...services import audit_log
from ...services.organizers import accounts, authentication
from .. import csrf, errors
from ..route_properties import property_of
from . import cookies

PREFIX = "/organizer"


def organizer() -> Organizer:
    """Return the organizer who is signed in."""
    signed_in: Organizer = g.organizer
    return signed_in


def session_id() -> int:
    """Return the id of the session in which this request was sent."""
    number: int = g.session_id
    return number


def discussion(tx: Transaction, slug: str, *, for_partners: bool = False) -> Discussion:
    """Return a discussion that the organizer who is signed in runs; `for_partners`, also one of
    which a partner may export its part.

    Raises `NoSuchDiscussion` for one that belongs to others, as for one that does not exist.
    """
    load = accounts.discussion_of if for_partners else accounts.run_by
    return load(tx, organizer(), slug)


def note(tx: Transaction, deed: Deed, slug: str, *, count: int | None = None) -> None:
    """Write into the audit log what the organizer who is signed in has done with a discussion."""
    audit_log.note(tx, deed, by=organizer().id, slug=slug, count=count)


def ask_to_sign_in() -> BaseResponse | None:
    """Send requests to the desk without a sign-in to the form that makes one."""
    is_desk = "organizer" in request.blueprints
    if not is_desk or property_of(request.endpoint, "open_to_all"):
        return None
    now = app_context.now()
    with reading() as tx:
        known = authentication.find_signed_in(tx, cookies.token())
    if known is None:
        return _give_back_or_redirect()
    g.organizer, sign_in = known
    g.session_id = sign_in.id
    # The mark of an organizer's browser ends when the key is changed; large forms need it.
    if not cookies.device():
        after_this_request(cookies.give_device)
    if authentication.is_seen_note_due(sign_in, now):
        with writing() as tx:
            authentication.note_seen(tx, sign_in.id)
    _refuse_without_rights()
    return None


def _refuse_without_rights() -> None:
    """Answer 404 to an organizer without rights for the route or its discussion.

    This happens before a form or its CSRF token is read: what a form holds must not show in the
    answer that the discussion exists.
    """
    if organizer().role is Role.ADMINISTRATOR:
        return
    if property_of(request.endpoint, "for_administrators"):
        raise NotFound
    slug = (request.view_args or {}).get("slug")
    if slug is not None:
        for_partners = bool(property_of(request.endpoint, "open_to_partners"))
        with reading() as tx:
            discussion(tx, slug, for_partners=for_partners)


def given_back(typed: FlaskForm) -> tuple[str, int]:
    """Return a page with nothing but a form as it was filled in, for an organizer who was signed
    out meanwhile."""
    return render_template("organizer/signed_out.html", form=typed, action=request.path), 422


def signed_out() -> BaseResponse:
    """Redirect to the sign-in after a sign-out; no CSRF token outlives it."""
    session.clear()
    response = redirect(url_for("organizer.sign_in.sign_in"), HTTPStatus.SEE_OTHER)
    cookies.take_away(response)
    # "cookies" would sign people out of other sites of the same domain, "cache" delays Chromium by
    # seconds; our own cookies are taken away by name (docs/decisions).
    response.headers["Clear-Site-Data"] = '"storage"'
    return response


def stale(_error: CSRFError) -> tuple[str, int]:
    """Return `stale_page` for a button whose view names no page of its own."""
    return stale_page()


def stale_page() -> tuple[str, int]:
    """Say that a button did nothing, because its page was open for too long."""
    return render_template("organizer/stale.html"), 422


def _give_back_or_redirect() -> BaseResponse:
    """Redirect to the sign-in; but show a form again as it was filled in, in a browser in which
    somebody has signed in before, if a page of ours has sent it.

    Nobody else can make the desk write its longest pages; and none of them tells what is there.
    """
    give_back = property_of(request.endpoint, "gives_back")
    if give_back and cookies.device() and csrf.is_valid():
        return make_response(give_back())
    asked = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("organizer.sign_in.sign_in", next=asked), HTTPStatus.SEE_OTHER)


def not_allowed(error: MethodNotAllowed) -> Response | HTTPException:
    """Answer 404 at the desk, so that nobody learns which of its addresses take which method."""
    if f"{request.path}/".startswith(f"{PREFIX}/"):
        return errors.page(NotFound.code)
    return errors.http_error(error)
