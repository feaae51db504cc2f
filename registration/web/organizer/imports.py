"""The import of attendees from a CSV: looked over first, and then done, all of it or nothing.

Between the two, nothing is kept here: the page that shows what would be done has the file in it,
and sends it back.
"""

import base64
import binascii
from collections.abc import Sequence

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...database import DatabaseBusy, DatabaseUnavailable, reading, writing
from ...models import Deed
from ...services import shown
from ...services.attendees import exports, imports
from ...services.attendees.imports import NoSheet, Sheet
from ...services.shown import ChangedSinceShown
from ...text.languages import gettext as _
from ...text.languages import phrase
from .. import csrf
from ..forms.organizer_forms import SheetForm
from ..rate_limits import Later, later
from ..route_properties import takes_upload
from . import access
from .access import note

blueprint = Blueprint("imports", __name__)

# What the digest of the button is for.
_PURPOSE = "import"
# How many rows are shown as they were understood.
SHOWN = 20


@blueprint.get("/discussions/<slug>/attendees/import")
def import_attendees(slug: str) -> str:
    """Ask for the file."""
    return _page(slug, SheetForm())


@blueprint.post("/discussions/<slug>/attendees/import")
@csrf.checks_token
@takes_upload
def submit_import(slug: str) -> BaseResponse | tuple[str, int] | str:
    """Show what a file would do; or do it, if that is what was looked over."""
    typed = SheetForm()
    content, is_looked_over = _content()
    if not content:
        return _page(slug, typed, is_empty=True), 422
    try:
        sheet = _read(slug, content)
    except NoSheet as refusal:
        return _page(slug, typed, refusal=phrase(refusal)), 422
    if sheet.faults or not typed.validate():
        return _page(slug, typed, sheet, content), 422
    if not is_looked_over:
        return _page(slug, typed, sheet, content)
    return _import(slug, typed, sheet, content)


def _import(
    slug: str, typed: SheetForm, sheet: Sheet, content: bytes
) -> BaseResponse | tuple[str, int]:
    try:
        count = _add(slug, sheet, is_told=typed.is_told.data)
    except ChangedSinceShown as refusal:
        return _page(slug, typed, sheet, content, refusal=phrase(refusal)), 409
    except (DatabaseBusy, DatabaseUnavailable) as refusal:
        return _page(slug, typed, sheet, content, wait=later(refusal)), 503
    return redirect(url_for("organizer.attendees.attendees", slug=slug, imported=count), 303)


def _content() -> tuple[bytes, bool]:
    """Return the file's bytes, and whether they come back from the page that showed them."""
    file = request.files.get("sheet")
    if file:
        return file.read(), False
    try:
        # What reads forms leaves a line end there now and then (Werkzeug 3.1.9, issue 3285).
        return base64.b64decode(request.form.get("content", "").strip(), validate=True), True
    except (binascii.Error, ValueError):
        return b"", False


def _read(slug: str, content: bytes) -> Sheet:
    with reading() as tx:
        discussion = access.discussion(tx, slug)
        questions = exports.questions(tx, discussion)
    needs_name = discussion.content.name_rule(app_context.settings()) == "required"
    return imports.read(content, questions, app_context.now(), needs_name=needs_name)


def _add(slug: str, sheet: Sheet, *, is_told: bool) -> int:
    """Add the rows, and return how many people that are. Raises `ChangedSinceShown` if that would
    not do what the page stated."""
    with reading() as tx:
        discussion = access.discussion(tx, slug)
        ring = tx.keys
        plan = imports.plan(tx, discussion, sheet.rows)
        shown.refuse_if_changed(tx, _PURPOSE, plan.facts, request.form.get("seen", ""))
    prepared = imports.prepare(discussion, plan.new, ring=ring, settings=tx.settings, now=tx.now)
    with writing() as tx:
        count = imports.add(tx, slug, prepared, is_told=is_told)
        note(tx, Deed.IMPORTED, slug, count=count)
    return count


def _page(
    slug: str,
    typed: SheetForm,
    sheet: Sheet | None = None,
    content: bytes = b"",
    *,
    refusal: str = "",
    wait: Later | None = None,
    is_empty: bool = False,
) -> str:
    with reading() as tx:
        discussion = access.discussion(tx, slug)
        columns = exports.header(tx, slug)
        plan, digest = None, ""
        if sheet and not sheet.faults:
            plan = imports.plan(tx, discussion, sheet.rows)
            digest = shown.digest(tx, _PURPOSE, plan.facts)
    if is_empty and (typed.validate() or not typed.csrf_token.errors):
        typed.sheet.errors = [_("Choose a file that is not empty.")]
    return render_template(
        "organizer/import.html",
        discussion=discussion,
        columns=columns,
        form=typed,
        faults_by_line=_by_line(sheet) if sheet else [],
        plan=plan,
        digest=digest,
        rows=list(zip(plan.new, plan.placed, strict=True))[:SHOWN] if plan else [],
        spans=_spans,
        wait=wait,
        content=base64.b64encode(content).decode(),
        refusal=refusal,
        megabytes=imports.MAX_BYTES // 1048576,
        most=imports.MAX_ROWS,
        retention=app_context.settings().retention_days,
    )


def _by_line(sheet: Sheet) -> list[tuple[str, str]]:
    """Return lines, as spans of numbers, and what is wrong with them; the first line first."""
    found = sorted(sheet.faults.items(), key=lambda fault: fault[1][0])
    return [(_spans(lines), phrase(sentence)) for sentence, lines in found]


def _spans(lines: Sequence[int]) -> str:
    """Return numbers in short: 2-4, 7."""
    spans: list[list[int]] = []
    for line in lines:
        if spans and line == spans[-1][1] + 1:
            spans[-1][1] = line
        else:
            spans.append([line, line])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
