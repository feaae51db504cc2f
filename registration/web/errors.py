"""Refusals and faults as pages: what happened, in one sentence, and what to do."""

from urllib.parse import unquote_to_bytes

from flask import Flask, Response, make_response, render_template, request
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    SecurityError,
    UnsupportedMediaType,
)

from .. import app_context
from ..crypto.key_ring import KeysLocked, KeysRefused
from ..database import DatabaseBusy, DatabaseUnavailable
from ..refusals import Refusal
from ..services.catalog import DiscussionUnpublished, NoSuchDiscussion
from ..services.mailings.mailings import NoSuchMailing
from ..services.operations.schema import SchemaNewer, SchemaOutdated
from ..services.organizers.authentication import NoSuchSession
from ..services.organizers.invitations import InvitationOver
from ..services.registrations.self_service import LinkIsOver, NoSuchRegistration, RegistrationEnded
from ..text.languages import gettext as _
from . import uploads
from .error_log import fault_id, log_fault, log_refusal
from .labels import error_advice, error_title, locked_advice

_STATUS: dict[type[Refusal], int] = {
    NoSuchDiscussion: 404,
    NoSuchRegistration: 404,
    LinkIsOver: 404,
    InvitationOver: 404,
    NoSuchMailing: 404,
    NoSuchSession: 404,
    DiscussionUnpublished: 410,
    RegistrationEnded: 410,
    DatabaseBusy: 503,
    DatabaseUnavailable: 503,
    KeysRefused: 503,
    SchemaNewer: 503,
    SchemaOutdated: 503,
}
_ESCAPED = "application/x-www-form-urlencoded"
_PAGES = {400, 404, 405, 410, 413, 415, 503}


def init_app(app: Flask) -> None:
    """Phrase every refusal, HTTP error and fault; and open the keys before anything is asked."""
    app.before_request(_open_keys)
    app.before_request(_refuse_what_is_no_form)
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, _fault)
    # Flask itself would log the address that was asked for, and the fault's own words.
    app.log_exception = lambda exc_info: log_fault(exc_info[1])  # type: ignore[method-assign]


def _open_keys() -> None:
    # Health is what tells that they do not open; the page that says so needs its style.
    if request.endpoint not in {"health.health", "static", "styles"}:
        app_context.open_keys()


def _refuse_what_is_no_form() -> None:
    """Refuse what is sent in another format, and a form whose bytes are not UTF-8, escaped or not.

    Parsed, the fields of such a form would seem empty, or hold other characters than were typed. A
    file that is sent tells of itself in what encoding it is.
    """
    if request.mimetype not in {"", _ESCAPED, "multipart/form-data"}:
        raise UnsupportedMediaType
    if request.mimetype and not uploads.is_one():
        body = request.get_data(cache=True)
        try:
            (unquote_to_bytes(body) if request.mimetype == _ESCAPED else body).decode()
        except UnicodeDecodeError:
            raise BadRequest from None


def page(status: int, advice: str = "") -> Response:
    """Return the page of an HTTP status, with the usual `advice` unless there is a better one."""
    shown = status if status in _PAGES else (400 if status < 500 else 500)
    html = render_template(
        "public/error.html",
        status=shown,
        title=error_title(shown),
        advice=advice or error_advice(shown),
        fault_id=fault_id(),
    )
    response = make_response(html, status)
    if status == 503:
        response.headers["Retry-After"] = "60"
    return response


def _refused(error: Refusal) -> Response:
    if isinstance(error, KeysLocked):  # the log says so once, at the start
        return page(503, locked_advice())
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    if status >= 500:
        log_refusal(error)
    return page(status)


def http_error(error: HTTPException) -> Response | HTTPException:
    """Return the page of an HTTP error."""
    if error.code is None or error.code < 400:
        return error
    if isinstance(error, SecurityError):
        # Asked for under a name that is not ours: no page can be written, for want of links.
        return Response(_("This site has another address."), 400, mimetype="text/plain")
    response = page(error.code)
    for name, value in error.get_headers():
        if name in {"Allow"}:
            response.headers[name] = value
    return response


def _fault(error: Exception) -> Response:
    log_fault(error)
    return page(500)
