"""The table of a discussion's attendees: filtered, sorted, searched; with marks, and additions."""

from collections.abc import Sequence
from functools import partial

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...database import DatabaseBusy, DatabaseUnavailable, reading, writing
from ...models import Deed
from ...services.attendees import statistics, table
from ...services.attendees.statistics import Numbers
from ...services.attendees.table import Filter, Order
from ...services.registrations import manage
from ...services.registrations.manage import AlreadyRegistered, EnoughLetters, TakesNobody
from ...services.registrations.register import Entry
from ...text.languages import gettext as _
from ...text.languages import phrase
from .. import csrf
from ..forms import registration_forms
from ..forms.organizer_forms import SearchForm
from ..forms.registration_forms import EntryForm
from ..rate_limits import Later, later
from . import access, attendee_search
from .access import note

blueprint = Blueprint("attendees", __name__)


@blueprint.get("/discussions/<slug>/attendees")
def attendees(slug: str) -> str:
    """A page of the table."""
    return _page(slug, SearchForm())


@blueprint.post("/discussions/<slug>/attendees")
@csrf.checks_token
def search_attendees(slug: str) -> BaseResponse | tuple[str, int]:
    """Go to the address that shows what is searched for."""
    typed = SearchForm()
    if not typed.validate():
        return _page(slug, typed), 422
    with reading() as tx:
        access.discussion(tx, slug)
        ring = tx.keys
    shown = attendee_search.wanted(slug, ring)
    return redirect(attendee_search.address(slug, ring, shown, search=typed.search.data), 303)


@blueprint.post("/discussions/<slug>/attendees/mark")
@csrf.checks_token
def mark_attendees(slug: str) -> BaseResponse | tuple[str, int]:
    """Mark those chosen as attended, or as not; and show the same page of the table again."""
    chosen, attended = request.form.getlist("chosen"), request.form.get("attended") == "yes"
    typed = SearchForm()
    if not typed.validate():
        return _page(slug, typed, chosen=chosen), 422
    with writing() as tx:
        discussion = access.discussion(tx, slug)
        marked = manage.mark_attendance(
            tx, discussion, chosen[: table.ATTENDEES_A_PAGE], attended=attended
        )
        if marked:
            deed = Deed.MARKED_ATTENDED if attended else Deed.MARKED_ABSENT
            note(tx, deed, slug, count=marked)
        ring = tx.keys
    shown = attendee_search.wanted(slug, ring)
    return redirect(attendee_search.address(slug, ring, shown, page=shown.page), 303)


@blueprint.get("/discussions/<slug>/attendees/add")
def add(slug: str) -> str:
    """The form in which an organizer adds somebody."""
    return _add_page(slug, _add_form(slug))


@blueprint.post("/discussions/<slug>/attendees/add")
@csrf.checks_token
def submit_add(slug: str) -> BaseResponse | tuple[str, int]:
    """Add somebody by hand, and show their page."""
    typed = _add_form(slug)
    if not typed.validate():
        return _add_page(slug, typed), 422
    try:
        public_id = _add(slug, typed.entry())
    except (AlreadyRegistered, EnoughLetters, TakesNobody) as refusal:
        typed.email.errors = [phrase(refusal)]
        return _add_page(slug, typed), 409
    except (DatabaseBusy, DatabaseUnavailable) as refusal:
        return _add_page(slug, typed, later(refusal)), 503
    return redirect(url_for("organizer.attendee.attendee", slug=slug, public_id=public_id), 303)


def _add(slug: str, entry: Entry) -> str:
    with writing() as tx:
        access.discussion(tx, slug)
        public_id = manage.add(tx, slug, entry)
        note(tx, Deed.ATTENDEE_ADDED, slug, count=1)
    return public_id


def _add_form(slug: str) -> EntryForm:
    with reading() as tx:
        discussion = access.discussion(tx, slug)
    return registration_forms.by_hand(discussion.content, app_context.settings())


def _add_page(slug: str, typed: EntryForm, wait: Later | None = None) -> str:
    with reading() as tx:
        discussion = access.discussion(tx, slug)
    return render_template("organizer/add.html", discussion=discussion, wait=wait, form=typed)


def _page(slug: str, typed: SearchForm, *, chosen: Sequence[str] = ()) -> str:
    with reading() as tx:
        discussion = access.discussion(tx, slug)
        numbers, ring = statistics.count_by_status(tx, discussion), tx.keys
    shown = attendee_search.wanted(slug, ring)
    if request.method == "GET":
        typed.search.data = shown.search
    return render_template(
        "organizer/attendees.html",
        discussion=discussion,
        numbers=numbers,
        found=table.page(reading, discussion.id, shown),
        shown=shown,
        to=partial(attendee_search.address, slug, ring, shown),
        filters=_filters(numbers),
        form=typed,
        Order=Order,
        Filter=Filter,
        chosen=chosen,
        keeps_attendance=manage.keeps_attendance(tx, discussion),
        imported=request.args.get("imported", type=int),
    )


def _filters(numbers: Numbers) -> list[tuple[Filter, str, int | None]]:
    """Return the filters in their order, each in words, with how many it shows if that is known."""
    return [
        (Filter.ALL, _("All"), numbers.registered),
        (Filter.CONFIRMED, _("Confirmed"), numbers.confirmed),
        (Filter.WAITING, _("Waiting"), numbers.waiting),
        (Filter.UNCONFIRMED, _("Not confirmed yet"), numbers.unconfirmed),
        (Filter.WITHDRAWN, _("Withdrawn"), numbers.withdrawn),
        (Filter.ATTENDED, _("Attended"), None),
        (Filter.LETTER_FAILED, _("A letter failed"), None),
    ]
