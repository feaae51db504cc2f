"""The discussions of the organizer who is signed in, with their numbers at a glance."""

from flask import Blueprint, render_template

from ...database import reading
from ...services.attendees import statistics
from ...services.drafts import drafts
from ...services.operations import feed_statistics
from ...services.organizers import failed_sign_ins
from ...text.languages import gettext as _
from ...text.languages import ngettext
from ...text.times import format_day
from . import charts
from .access import organizer

blueprint = Blueprint("discussions", __name__)


@blueprint.get("/")
def overview() -> str:
    """The discussions that one has, and how many come."""
    with reading() as tx:
        items = statistics.overview_of_all(tx, organizer())
        own_drafts = drafts.drafts_of_new(tx, organizer())
        identity = organizer().identity(tx.keys)
        failed = failed_sign_ins.count_last_day(tx)
    return render_template(
        "organizer/overview.html",
        items=items,
        drafts=own_drafts,
        address=identity.address,
        failed_sign_ins=failed,
    )


@blueprint.get("/discussions/<slug>")
def discussion(slug: str) -> str:
    """One discussion: its numbers, when people came, and which calendars follow."""
    with reading() as tx:
        item = statistics.overview_of(tx, organizer(), slug)
        spans = statistics.count_by_day(tx, item.discussion)
        return render_template(
            "organizer/discussion.html",
            item=item,
            has_draft=drafts.find(tx, organizer(), slug).draft is not None,
            is_over=item.discussion.ends_at <= tx.now,
            drawing=charts.drawing(spans),
            words=_in_words(spans),
            readers=feed_statistics.readers(tx),
        )


def _in_words(spans: list[statistics.Span]) -> str:
    if not spans:
        return ""
    most = max(spans, key=lambda span: span.count)
    if len(spans) == 1:
        only = ngettext(
            "%(num)s registration on %(day)s.", "%(num)s registrations on %(day)s.", most.count
        )
        return only % {"num": most.count, "day": format_day(most.first)}
    in_one_day = _("%(all)s registrations from %(first)s to %(last)s; most, %(most)s, on %(day)s.")
    in_a_week = _(
        "%(all)s registrations from %(first)s to %(last)s; most, %(most)s, in the %(days)s days "
        "from %(day)s."
    )
    return (in_one_day if most.first == most.last else in_a_week) % {
        "all": sum(span.count for span in spans),
        "first": format_day(spans[0].first),
        "last": format_day(spans[-1].last),
        "most": most.count,
        "days": (most.last - most.first).days + 1,
        "day": format_day(most.first),
    }
