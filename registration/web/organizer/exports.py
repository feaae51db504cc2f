"""The export of attendees as CSV: it asks for password and code again, is noted in the audit log,
and is streamed."""

from collections.abc import Iterator
from functools import partial
from itertools import islice

from flask import Blueprint, Flask, Response, current_app, render_template

from ... import app_context
from ...database import reading, writing
from ...models import Deed, RegistrationStatus, Role
from ...services import audit_log
from ...services.attendees import exports
from ...services.attendees.export_records import KEPT_FOR
from ...services.catalog import NoSuchDiscussion
from ...services.organizers import second_organizer
from .. import csrf
from ..forms.organizer_forms import SEPARATORS, ExportForm
from ..rate_limits import NOT_NOW, Later, try_later
from ..route_properties import open_to_partners
from . import access, reauthentication
from .access import organizer

blueprint = Blueprint("exports", __name__)

# How many lines are sent at once.
SOME = 500

Rows = Iterator[dict[str, str]]


@blueprint.get("/discussions/<slug>/export")
@open_to_partners
def export(slug: str) -> str:
    """Ask what is to be exported, and for password and code again."""
    return _page(slug, _form(slug))


@blueprint.post("/discussions/<slug>/export")
@open_to_partners
@csrf.checks_token
def submit_export(slug: str) -> Response | tuple[str, int, dict[str, str]]:
    """Send the CSV."""
    typed = _form(slug)
    if not typed.validate() or not _is_theirs(typed):
        return _page(slug, typed), 422, {}
    try:
        is_proven, second = _proven(slug, typed)
    except NOT_NOW as refusal:
        return try_later(refusal, lambda wait: _page(slug, typed, wait))
    if not is_proven:
        return _page(slug, typed, is_wrong=True), 422, {}
    return _csv(slug, typed, second)


def _proven(slug: str, typed: ExportForm) -> tuple[bool, int | None]:
    """Return whether the export is allowed, and the second organizer's id where one is needed.

    Their code is only looked at after the first organizer's password and code were right.
    """
    if not reauthentication.is_proven(typed):
        return False, None
    if not app_context.settings().at_risk:
        return True, None
    address, code = typed.second_email.address, typed.second_code.data
    with writing() as tx:
        discussion = access.discussion(tx, slug, for_partners=True)
        second = second_organizer.has_agreed(tx, organizer(), discussion, address, code)
    return second is not None, second


def _csv(slug: str, typed: ExportForm, second: int | None) -> Response:
    """Note the export in the audit log, and stream it."""
    names, rows, count = _chosen(slug, typed)
    detail = _detail(typed, names)
    with writing() as tx:
        audit_log.note(
            tx,
            Deed.EXPORTED,
            by=organizer().id,
            subject=second,
            slug=slug,
            count=count,
            detail=detail,
        )
    separator = SEPARATORS[typed.separator.data]
    lines = exports.csv_lines(rows, names, separator)
    headers = {"Content-Disposition": f'attachment; filename="{slug}.csv"'}
    kind = "text/csv; charset=utf-8"
    return Response(_streamed(lines), content_type=kind, headers=headers)


def _streamed(lines: Iterator[str]) -> Iterator[bytes]:
    """Return the lines, some at a time; nothing is held while a slow reader reads them."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def some() -> bytes:
        with app.app_context():
            return "".join(islice(lines, SOME)).encode()

    return iter(some, b"")


def _form(slug: str) -> ExportForm:
    """Return the form, with the columns and partners that the discussion has."""
    mine, needs_second = organizer(), app_context.settings().at_risk
    with reading() as tx:
        access.discussion(tx, slug, for_partners=True)
        columns, partners = exports.header(tx, slug), exports.partners(tx, slug)
    if mine.role is Role.PARTNER:
        if mine.partner not in partners:
            raise NoSuchDiscussion(slug=slug)
        return ExportForm([], partners, is_partner=True, needs_second=needs_second)
    return ExportForm(columns, partners, is_partner=False, needs_second=needs_second)


def _is_theirs(typed: ExportForm) -> bool:
    """Whether a partner asks for its own part, and nothing else."""
    mine = organizer()
    return mine.role is not Role.PARTNER or typed.partner.data == mine.partner


def _chosen(slug: str, typed: ExportForm) -> tuple[list[str], Rows, int]:
    """Return the columns, the rows, and how many these are."""
    partner = typed.partner.data
    if partner:
        with reading() as tx:
            names = exports.shared_columns(tx, slug, partner)
        agreed = partial(exports.attendees, reading, slug, partner=partner)
        # Agreements are sealed: those who have agreed are counted by reading every row.
        return names, agreed(), sum(1 for _row in agreed())
    states = [RegistrationStatus(state) for state in typed.states.data]
    with reading() as tx:
        count = exports.count(tx, slug, states)
    rows = exports.attendees(reading, slug, states=states)
    return list(typed.columns.data), rows, count


def _detail(typed: ExportForm, names: list[str]) -> str:
    if typed.partner.data:
        return f"partner: {typed.partner.data}"
    return f"{', '.join(typed.states.data)}: {', '.join(names)}"


def _page(
    slug: str, typed: ExportForm, wait: Later | None = None, *, is_wrong: bool = False
) -> str:
    with reading() as tx:
        discussion = access.discussion(tx, slug, for_partners=True)
        is_alone = not second_organizer.is_there(tx, organizer(), discussion)
    return render_template(
        "organizer/export.html",
        discussion=discussion,
        form=typed,
        is_partner=organizer().role is Role.PARTNER,
        partner=organizer().partner,
        wait=wait,
        is_wrong=is_wrong,
        kept_days=KEPT_FOR.days,
        is_alone=app_context.settings().at_risk and is_alone,
    )
