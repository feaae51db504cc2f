"""The audit log, for administrators."""

from flask import abort, render_template, request

from ... import house
from ...database import reading
from ...models import Role
from ...services import audit_log
from . import organizer, place

LAST = 2**31 - 1


@place.get("/log")
def log() -> str:
    """A page of the audit log, the last deeds first."""
    if organizer().role is not Role.ADMINISTRATOR:
        abort(404)
    # No more than a number of the database can be.
    before = min(request.args.get("before", default=LAST, type=int), LAST)
    with reading() as session:
        lines = audit_log.lines(session, house.ring(session), before=before)
    return render_template("organizer/log.html", lines=lines, page=audit_log.PAGE)
