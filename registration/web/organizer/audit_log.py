"""The audit log, for administrators."""

from flask import Blueprint, render_template, request

from ... import app_context
from ...database import reading
from ...models import AuditEntry, Deed, RegistrationStatus
from ...services import audit_log
from ...text.languages import gettext as _
from ..labels import group_words, status_words
from ..route_properties import for_administrators
from . import draft_changes

blueprint = Blueprint("audit_log", __name__)

LAST = 2**31 - 1


@blueprint.get("/log")
@for_administrators
def log() -> str:
    """A page of the audit log, the last deeds first."""
    # No more than a number of the database can be.
    before = min(request.args.get("before", default=LAST, type=int), LAST)
    with reading() as tx:
        lines = audit_log.read_page(tx, before=before)
    return render_template(
        "organizer/log.html",
        lines=lines,
        page=audit_log.ENTRIES_A_PAGE,
        days=app_context.settings().retention_days,
        detail_words=_detail_words,
    )


def _detail_words(entry: AuditEntry) -> str:
    """Return how something was done: the keys of an entry in words."""
    head, colon, rest = (entry.detail or "").partition(": ")
    if entry.deed is Deed.EXPORTED:
        if head == "partner":
            return _("for %(partner)s") % {"partner": rest}
        states = [status_words(RegistrationStatus(state)) for state in head.split(", ")]
        return ", ".join(states) + colon + rest
    if entry.deed in {Deed.DRAFTED, Deed.QUEUED, Deed.DISCARDED}:
        return group_words(head.split(", "))
    words = draft_changes.labels() | {"quietly": _("quietly")}
    return ", ".join(words.get(name, name) for name in head.split(", "))
