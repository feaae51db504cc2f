"""Failed sign-ins by the hour, for administrators."""

from flask import Blueprint, render_template

from ...database import reading
from ...services.organizers import failed_sign_ins
from ...services.organizers.failed_sign_ins import COUNTS_KEPT, Hour
from ...text.languages import gettext as _
from ...text.languages import ngettext
from ...text.times import format_moment
from ..route_properties import for_administrators
from . import charts

blueprint = Blueprint("failed_sign_ins", __name__)


@blueprint.get("/failed-sign-ins")
@for_administrators
def by_hour() -> str:
    """The last days, drawn and as a table of the hours in which any failed."""
    with reading() as tx:
        hours = failed_sign_ins.by_hour(tx)
    return render_template(
        "organizer/failed_sign_ins.html",
        hours=[hour for hour in reversed(hours) if hour.count],
        days=COUNTS_KEPT.days,
        drawing=charts.drawing(hours),
        words=_in_words(hours),
    )


def _in_words(hours: list[Hour]) -> str:
    total, most = sum(hour.count for hour in hours), max(hours, key=lambda hour: hour.count)
    said = ngettext(
        "%(num)s sign-in failed within the last %(days)s days.",
        "%(num)s sign-ins failed within the last %(days)s days.",
        total,
    ) % {"num": total, "days": COUNTS_KEPT.days}
    if total < 2:
        return said
    peak = _("The most in one hour were %(most)s, in the hour from %(time)s.")
    return f"{said} {peak % {'most': most.count, 'time': format_moment(most.start)}}"
