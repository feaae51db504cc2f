"""The discussion in the browser: its form, saved as a draft."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from ... import app_context
from ...database import DatabaseBusy, DatabaseUnavailable, reading, writing
from ...discussion_file import DiscussionFileRefused, announce, form_values
from ...discussion_file.form_values import Typed
from ...discussion_file.table import Mistake
from ...models import Organizer, Role
from ...services.catalog import NoSuchDiscussion
from ...services.drafts import drafts
from ...services.drafts.conflicts import Clash, Opened
from ...services.drafts.drafts import ChangedMeanwhile, SlugTaken, Standing
from .. import csrf
from ..forms import discussion_form
from ..rate_limits import Later, later
from ..route_properties import for_administrators, gives_back
from ..uploads import MAX_DESK_FORM_BYTES
from . import draft_changes
from .access import organizer

blueprint = Blueprint("edit", __name__)

# The rest is for the token and the marks.
LARGEST_FORM = MAX_DESK_FORM_BYTES - 4096
# The version and marks of a new discussion.
_NEW = Opened(0, {})
Page = tuple[str, int]


def _signed_out() -> Page:
    """Show what was typed again, to an organizer who was signed out meanwhile."""
    written, opened = discussion_form.sent(), discussion_form.opened()
    return _page(None, written, opened, status=422, is_signed_out=True, action=request.path)


@blueprint.get("/new")
@for_administrators
def new() -> Page:
    """The form of a new discussion."""
    written = form_values.empty_form()
    discussion_form.add(written, "contributors")
    return _page(None, written, _NEW)


@blueprint.post("/new")
@for_administrators
@gives_back(_signed_out)
@csrf.checks_token
def submit_new() -> Page | Response:
    """Save the first draft of a new discussion, and go to its review."""
    return _submit(None)


@blueprint.get("/discussions/<slug>/edit")
def edit(slug: str) -> Page:
    """The form of a discussion: its draft, or what is published."""
    with reading() as tx:
        standing = drafts.find(tx, organizer(), slug)
        written, clashes = drafts.merge_published(tx, standing)
    mistakes = _mistakes(slug, written) if standing.draft else []
    return _page(standing, written, standing.opened, mistakes, clashes=clashes)


@blueprint.post("/discussions/<slug>/edit")
@gives_back(_signed_out)
@csrf.checks_token
def submit_edit(slug: str) -> Page | Response:
    """Save the draft of a discussion, and go to its review."""
    try:
        with reading() as tx:
            standing = drafts.find(tx, organizer(), slug)
    except NoSuchDiscussion:
        return _gone(slug)
    return _submit(standing)


def _submit(standing: Standing | None) -> Page | Response:
    written, opened = discussion_form.sent(), discussion_form.opened()
    if not csrf.is_valid():
        return _page(standing, written, opened, status=422, is_stale=True)
    if discussion_form.regrouped(written):
        return _page(standing, written, opened)
    written = discussion_form.tidied(written)
    slug = standing.slug if standing and standing.discussion else written["slug"]
    mistakes = _mistakes(slug, written)
    if any(mistake.key == "slug" for mistake in mistakes):
        return _page(standing, written, opened, mistakes, status=422)
    try:
        return redirect(
            url_for("organizer.draft_review.review", slug=_saved(standing, written, opened)), 303
        )
    except SlugTaken as refusal:
        mistakes.append(Mistake("slug", refusal.said))
        return _page(standing, written, opened, mistakes, status=422)
    except ChangedMeanwhile as refusal:
        return _clashed(standing.slug if standing else slug, refusal)
    except (DatabaseBusy, DatabaseUnavailable) as refusal:
        return _page(standing, written, opened, mistakes, wait=later(refusal), status=503)


def _clashed(slug: str, refusal: ChangedMeanwhile) -> Page:
    with reading() as tx:
        standing = drafts.find(tx, organizer(), slug)
    merged, clashes = refusal.merged, refusal.clashes
    mistakes = _mistakes(slug, merged)
    return _page(standing, merged, refusal.opened, mistakes, clashes=clashes, status=409)


def _gone(slug: str) -> Page:
    """Show what was typed again, to an administrator whose draft of a new discussion was deleted,
    or renamed, meanwhile; for everything else, raise `NoSuchDiscussion`."""
    if discussion_form.opened().version != 0:
        raise NoSuchDiscussion(slug=slug)
    _refuse_others()
    return _page(None, discussion_form.sent(), _NEW, status=409, is_gone=True)


def _saved(standing: Standing | None, written: Typed, opened: Opened) -> str:
    """Save what was typed, and return the slug of the draft."""
    with writing() as tx:
        if standing is None:
            drafts.create(tx, organizer(), written["slug"], written)
            return str(written["slug"])
        return drafts.save(tx, organizer(), standing.slug, written, opened)


def _mistakes(slug: str, written: Typed) -> list[Mistake]:
    try:
        announce(form_values.to_file_values(written, slug, None), is_typed=True)
    except DiscussionFileRefused as refusal:
        return refusal.found
    return []


def _refuse_others() -> None:
    if organizer().role is not Role.ADMINISTRATOR:
        raise NoSuchDiscussion(slug="new")


def _page(
    standing: Standing | None,
    written: Typed,
    opened: Opened,
    mistakes: list[Mistake] | None = None,
    *,
    clashes: list[Clash] | None = None,
    wait: Later | None = None,
    is_stale: bool = False,
    is_gone: bool = False,
    is_signed_out: bool = False,
    action: str = "",
    status: int = 200,
) -> Page:
    html = render_template(
        "organizer/edit.html",
        standing=standing,
        typed=written,
        version=opened.version,
        base=" ".join(f"{about}={mark}" for about, mark in opened.marks.items()),
        mistakes=mistakes or [],
        wrong=discussion_form.by_field(mistakes or [], written),
        clashes=clashes or [],
        shown=draft_changes.shown,
        named=draft_changes.named,
        by=_by(standing),
        days=app_context.settings().retention_days,
        labels=draft_changes.labels(),
        parts=draft_changes.parts_of_groups(),
        wait=wait,
        is_stale=is_stale,
        is_gone=is_gone,
        is_signed_out=is_signed_out,
        is_new=opened.version == 0,
        is_large=discussion_form.size(written) > LARGEST_FORM,
        action=action or (request.path if standing else url_for("organizer.edit.new")),
    )
    return html, status


def _by(standing: Standing | None) -> str:
    """Return the address of the organizer who saved the draft last."""
    if standing is None or standing.draft is None:
        return ""
    with reading() as tx:
        last = tx.get_one(Organizer, standing.draft.organizer_id)
        return last.identity(tx.keys).address
