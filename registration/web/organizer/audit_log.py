"""The audit log, for administrators."""

from flask import Blueprint, abort, render_template, request

from ...database import reading
from ...models import Role
from ...services import audit_log
from .access import organizer

blueprint = Blueprint("audit_log", __name__)

LAST = 2**31 - 1


@blueprint.get("/log")
def log() -> str:
    """A page of the audit log, the last deeds first."""
    if organizer().role is not Role.ADMINISTRATOR:
        abort(404)
    # No more than a number of the database can be.
    before = min(request.args.get("before", default=LAST, type=int), LAST)
    with reading() as tx:
        lines = audit_log.read_page(tx, before=before)
    return render_template("organizer/log.html", lines=lines, page=audit_log.ENTRIES_A_PAGE)
