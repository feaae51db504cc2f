"""The public pages: agenda, discussions, calendars, privacy, robots.txt and security.txt."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import quote

from flask import Blueprint, Response, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...calendars import jsonld, web_calendars
from ...calendars import public as calendars
from ...database import Transaction
from ...links import webcal
from ...models import ANSWERS_RETENTION, Discussion, Tense
from ...services import catalog
from ...services.catalog import DiscussionUnpublished
from ...services.seats import allocation
from ...services.seats.retention import UNCONFIRMED_RETENTION
from ..page_cache import Made, kept

HTML = "text/html; charset=utf-8"
CALENDAR = "text/calendar; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"
ROBOTS = b"User-agent: *\nAllow: /registrations/calendar/\nDisallow: /registrations/\n"

blueprint = Blueprint("public", __name__)


@blueprint.get("/")
def agenda() -> Response:
    """The agenda: coming and past discussions."""
    return kept(_agenda)


@blueprint.get("/discussions")
def discussions() -> BaseResponse:
    """Redirect a shortened address of a discussion to the agenda."""
    return redirect(url_for("public.agenda"))


@blueprint.get("/discussions/<slug>")
def discussion(slug: str) -> Response:
    """The page of one discussion."""
    return kept(lambda tx: _page(tx, slug))


@blueprint.get("/discussions.ics")
def feed() -> Response:
    """The calendar of all discussions, to subscribe to."""
    response = kept(_feed)
    app_context.feed_tally().add(
        request.headers.get("User-Agent", ""),
        took=g.changed_at,
        not_modified=response.status_code == HTTPStatus.NOT_MODIFIED,
        now=app_context.now(),
    )
    return response


@blueprint.get("/discussions/<slug>.ics")
def file(slug: str) -> Response:
    """The calendar file of one discussion."""
    return kept(lambda tx: _file(tx, slug))


@blueprint.get("/privacy")
def privacy() -> Response:
    """The privacy page: which data is stored, why, and until when."""
    return kept(lambda _tx: _static("public/privacy.html"))


@blueprint.get("/robots.txt")
def robots() -> Response:
    """Calendars may be read by robots, personal ones too: Google's calendar obeys this file."""
    return kept(lambda _tx: Made(ROBOTS, PLAIN, None))


@blueprint.get("/.well-known/security.txt")
def security() -> Response:
    """The contact for security reports (RFC 9116); 404 without a CONTACT."""
    contact = app_context.settings().contact
    if contact is None:
        abort(404)
    return kept(lambda tx: _security(contact, tx.now))


def published(tx: Transaction, slug: str) -> Discussion:
    """Return a discussion that has a page; else `NoSuchDiscussion` or `DiscussionUnpublished`."""
    discussion = catalog.find(tx, slug)
    if not discussion.is_public:
        raise DiscussionUnpublished
    return discussion


def _agenda(tx: Transaction) -> Made:
    discussions = catalog.list_public(tx)
    past = [item for item in discussions if item.when.tense(tx.now) is Tense.PAST]
    coming = [item for item in discussions if item not in past]
    html = render_template(
        "public/agenda.html",
        coming=coming,
        past=past[::-1],
        settings=app_context.settings(),
        links=app_context.links(),
        webcal=webcal,
        now=tx.now,
    )
    return _timed(html, _next_turn(discussions, tx.now))


def _page(tx: Transaction, slug: str) -> Made:
    discussion = published(tx, slug)
    full = allocation.is_full(tx, discussion)
    html = page_of(discussion, tx.now, is_full=full)
    freed = allocation.next_hold_end(tx, discussion) if full else None
    return _timed(html, _next_turn([discussion], tx.now, freed))


def page_of(discussion: Discussion, now: datetime, *, is_full: bool) -> str:
    """Return the page of a discussion as HTML."""
    links = app_context.links()
    return render_template(
        "public/discussion.html",
        discussion=discussion,
        tense=discussion.when.tense(now),
        is_open=discussion.takes_registrations(now),
        is_full=is_full,
        settings=app_context.settings(),
        links=links,
        webcal=webcal,
        google=web_calendars.google(discussion, links),
        outlook=web_calendars.outlook(discussion, links),
        jsonld=jsonld.event(discussion, links),
    )


def _feed(tx: Transaction) -> Made:
    body = calendars.feed(
        catalog.list_public(tx), app_context.settings().site_name, app_context.links()
    )
    # An unpublished discussion counts, too: its absence is a change.
    return Made(body, CALENDAR, _changed(catalog.list_all(tx)))


def _file(tx: Transaction, slug: str) -> Made:
    discussion = published(tx, slug)
    return Made(calendars.file(discussion, app_context.links()), CALENDAR, discussion.changed_at)


def _static(template: str) -> Made:
    html = render_template(
        template,
        settings=app_context.settings(),
        links=app_context.links(),
        unconfirmed=UNCONFIRMED_RETENTION,
        answers_days=ANSWERS_RETENTION.days,
    )
    return Made(html.encode(), HTML, None)


def _security(contact: str, now: datetime) -> Made:
    """Write security.txt: the same bytes for a month, and good for another ten."""
    fields = [
        f"Contact: mailto:{quote(contact, safe='@')}",
        f"Expires: {_month(now, 11).isoformat()}",
        "Preferred-Languages: en",
    ]
    links = app_context.links()
    # RFC 9116 2.5.2: where it is read over http, no address can be stated.
    if links.root.startswith("https:"):
        fields.append(f"Canonical: {links.security()}")
    body = "".join(f"{field}\n" for field in fields)
    return Made(body.encode(), PLAIN, None, _month(now, 1))


def _month(now: datetime, later: int) -> datetime:
    """Return when the month begins (UTC) that is so many later."""
    at = now.astimezone(UTC)
    years, month = divmod(at.month - 1 + later, 12)
    return datetime(at.year + years, month + 1, 1, tzinfo=UTC)


def _timed(html: str, until: datetime | None) -> Made:
    # A page changes with time and seats too: a Last-Modified would promise too much.
    return Made(html.encode(), HTML, None, until)


def _changed(discussions: Sequence[Discussion]) -> datetime | None:
    return max((item.changed_at for item in discussions), default=None)


def _next_turn(
    discussions: Iterable[Discussion], now: datetime, *others: datetime | None
) -> datetime | None:
    """Return when time alone next changes the page of these discussions."""
    turns = list(others)
    for item in discussions:
        turns += [item.when.starts_at, item.when.ends_at, item.registration_closes_at]
    return min((turn for turn in turns if turn and turn > now), default=None)
