"""The browsers in which the organizer is signed in: each can be signed out from here."""

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from ...database import reading, writing
from ...services.organizers import authentication
from ...services.organizers.authentication import SESSION_LIFE
from .access import organizer, session_id, signed_out

blueprint = Blueprint("sessions", __name__)


@blueprint.get("/sessions")
def overview() -> str:
    """List one's own sessions, the one of this browser first."""
    with reading() as tx:
        sessions = authentication.list_sessions(tx, organizer().id)
    return render_template(
        "organizer/sessions.html",
        sessions=sorted(sessions, key=lambda it: it.id != session_id()),
        current=session_id(),
        life=SESSION_LIFE,
    )


@blueprint.post("/sessions/<int:number>/end")
def end(number: int) -> BaseResponse:
    """End one of one's own sessions; any other number is not there."""
    with writing() as tx:
        authentication.end_session(tx, organizer().id, number)
    return signed_out() if number == session_id() else _back()


@blueprint.post("/sessions/end-others")
def end_others() -> BaseResponse:
    """End every session of one's own but this one."""
    with writing() as tx:
        authentication.end_other_sessions(tx, organizer().id, session_id())
    return _back()


def _back() -> BaseResponse:
    return redirect(url_for("organizer.sessions.overview"), 303)
