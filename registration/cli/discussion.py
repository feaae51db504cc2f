"""flask discussion: publish, check, list, show, cancel, restore and unpublish discussions."""

from dataclasses import asdict
from pathlib import Path

import click

from .. import app_context
from ..calendars.description import format_when
from ..database import reading, writing
from ..discussion_file import DiscussionFileRefused, read
from ..models import Announcement, Discussion
from ..services import catalog
from ..services.discussions import cancellation, publication, timezone_changes
from ..services.discussions.cancellation import MAX_REASON_CHARACTERS
from ..services.discussions.publication import Outcome, Publication
from ..services.discussions.timezone_changes import Finding
from ..text.normalize import line
from .groups import Group, as_json, echo_json, echo_table

group = Group("discussion")
FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))


@group.command("publish")
@FILES
@click.option("--dry-run", is_flag=True, help="Tell what would change; change nothing.")
@click.option("--quiet", is_flag=True, help="Write to nobody.")
@click.option(
    "--keep-edits",
    is_flag=True,
    help="Leave alone what was edited elsewhere since its file was last published.",
)
def publish(files: tuple[Path, ...], *, dry_run: bool, quiet: bool, keep_edits: bool) -> None:
    """Publish discussion files: new ones, or amendments under the same slug.

    Attendees get a letter when the time or the link to join changes. If one file has a mistake,
    none is published.
    """
    announcements = _read_all(files)
    with writing() as tx:
        done = [
            publication.publish(tx, announcement, keep_edits=keep_edits, quiet=quiet)
            for announcement in announcements
        ]
        if dry_run:
            tx.rollback()
    for result in done:
        click.echo(_describe(result, dry_run=dry_run))


@group.command("check")
@FILES
def check(files: tuple[Path, ...]) -> None:
    """Read discussion files and tell every mistake; publish nothing."""
    announcements = _read_all(files)
    for path, announcement in zip(files, announcements, strict=True):
        when = format_when(announcement.when)
        click.echo(f"{path.name}: in order: {announcement.content.title}, {when}")


@group.command("list")
@as_json
def list_(*, as_json: bool) -> None:
    """List the discussions."""
    with reading() as tx:
        discussions = catalog.list_all(tx)
    if as_json:
        echo_json([_summary(item) for item in discussions])
        return
    rows = [
        [item.slug, item.status.value, format_when(item.when), item.content.title]
        for item in discussions
    ]
    echo_table(["slug", "status", "time", "title"], rows)


@group.command("show")
@click.argument("slug")
@as_json
def show(slug: str, *, as_json: bool) -> None:
    """Show all that is published of a discussion."""
    with reading() as tx:
        discussion = catalog.find(tx, slug)
    values = _summary(discussion) | asdict(discussion.content)
    if as_json:
        echo_json(values)
        return
    for name, value in values.items():
        click.echo(f"{name}: {value}")


@group.command("cancel")
@click.argument("slug")
@click.option("--why", required=True, help="One line, which attendees and the page are told.")
def cancel(slug: str, why: str) -> None:
    """Cancel a discussion: page, feed and letters say so."""
    with writing() as tx:
        owed = cancellation.cancel(tx, slug, _why(why))
    click.echo(f"{slug}: cancelled{_letters(owed)}")


@group.command("restore")
@click.argument("slug")
def restore(slug: str) -> None:
    """Let a cancelled discussion take place after all."""
    with writing() as tx:
        owed = cancellation.restore(tx, slug)
    click.echo(f"{slug}: takes place{_letters(owed)}")


@group.command("audit-times")
@as_json
def audit_times(*, as_json: bool) -> None:
    """Find coming discussions that a new time zone database has moved, and tell who comes."""
    with writing() as tx:
        findings = timezone_changes.apply_changes(tx)
    if as_json:
        echo_json([_as_found(item) for item in findings])
        return
    for item in findings:
        click.echo(timezone_changes.describe(item))
    if not findings:
        click.echo("No coming discussion has moved.")


def _as_found(item: Finding) -> dict[str, object]:
    now_is = item.now_is and item.now_is.starts_at.isoformat()
    was = item.was.starts_at.isoformat()
    return {"slug": item.slug, "was": was, "now": now_is, "letters": item.letters}


@group.command("unpublish")
@click.argument("slug")
def unpublish(slug: str) -> None:
    """Take a discussion off: its page and calendar file answer that it is gone."""
    with writing() as tx:
        publication.unpublish(tx, slug)
    click.echo(f"{slug}: unpublished")


def _why(typed: str) -> str:
    why = line(typed)
    if not 1 <= len(why) <= MAX_REASON_CHARACTERS:
        raise click.BadParameter(
            f"must have 1 to {MAX_REASON_CHARACTERS} characters", param_hint="--why"
        )
    return why


def _letters(owed: int) -> str:
    return f"; letters owed: {owed}" if owed else ""


def _read_all(files: tuple[Path, ...]) -> list[Announcement]:
    """Return what the files announce, or tell every mistake in every one of them."""
    announcements: list[Announcement] = []
    mistakes: list[str] = []
    for path in files:
        try:
            announcements.append(read(path.read_bytes()))
        except OSError as error:
            mistakes.append(f"{path}: {error.strerror}.")
        except DiscussionFileRefused as refusal:
            mistakes += [f"{path}:", *(f"  {mistake}" for mistake in refusal.mistakes)]
    if mistakes:
        raise click.ClickException("\n".join([*mistakes, "Nothing was published."]))
    _refuse_repeated(announcements)
    return announcements


def _refuse_repeated(announcements: list[Announcement]) -> None:
    slugs = [announcement.slug for announcement in announcements]
    for slug in slugs:
        if slugs.count(slug) > 1:
            raise click.ClickException(
                f"Two of these files have the slug {slug}; each discussion needs its own. "
                "Nothing was published."
            )


def _describe(result: Publication, *, dry_run: bool) -> str:
    words = f"{result.slug}: {'would be ' if dry_run else ''}{result.outcome.value}"
    if result.outcome is Outcome.LEFT_ALONE:
        return (
            f"{result.slug}: not published, because it was edited or taken off since its file "
            "was last published; publish it without --keep-edits to undo that"
        )
    if result.changed:
        words += f" ({', '.join(result.changed)})"
    if result.is_cancelled:
        words += "; it stays cancelled until `flask discussion restore`"
    return words + _letters(result.letters)


def _summary(discussion: Discussion) -> dict[str, object]:
    return {
        "slug": discussion.slug,
        "uid": discussion.uid,
        "sequence": discussion.sequence,
        "version": discussion.version,
        "status": discussion.status.value,
        "cancelled_why": discussion.cancelled_why,
        "title": discussion.content.title,
        "time": format_when(discussion.when),
        "starts_at": discussion.starts_at.isoformat(),
        "ends_at": discussion.ends_at.isoformat(),
        "published_at": discussion.published_at.isoformat(),
        "changed_at": discussion.changed_at.isoformat(),
        "seats": discussion.seats,
        "page": app_context.links().discussion(discussion.slug),
    }
