"""From release to release: stored values of older and of later releases are read."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import JSON, Column, LargeBinary, Table, select, type_coerce

from registration import create_app, database
from registration.database import Model, reading, writing
from registration.discussion_file import form_values, read
from registration.models import (
    Attendee,
    Discussion,
    Draft,
    Mailing,
    Organizer,
    PendingForm,
    Registration,
    Revision,
)
from registration.models.stored import StoredByNewer
from registration.services import catalog, installation
from registration.services.discussions import publication
from registration.services.discussions.publication import Outcome
from registration.services.operations import migration

from . import builders, release
from .conftest import Clock
from .desk import signed_in
from .machine import on_sqlite

RELEASES = sorted((Path(__file__).parent / "data" / "releases").glob("*.*.*"))
# What 0.1.0 wrote in words (migration 0009).
KEYS_OF_DEEDS = {
    "organizer added": "organizer.added",
    "invitation accepted": "organizer.invitation_accepted",
    "signed in": "organizer.signed_in",
    "letter to attendees drafted": "mailing.drafted",
    "letter to attendees queued": "mailing.queued",
}


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def kept(request: pytest.FixtureRequest) -> Path:
    """The folder in which something that a release wrote is kept."""
    return request.param


@pytest.fixture
def upgraded(kept: Path, tmp_path: Path, clock: Clock) -> Iterator[Flask]:
    """The service with the database of an older release, after an upgrade."""
    shutil.copytree(kept, tmp_path / "instance")
    for path in tmp_path.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    app = create_app({"INSTANCE": str(tmp_path / "instance")}, clock=clock)
    with app.app_context():
        keys = app.extensions["settings"].keys
        migration.upgrade(
            database.engine(), ring_of=lambda name: installation.ring_with(name, keys)
        )
        yield app
        database.engine().dispose()


def values() -> dict[str, list[dict[str, Any]]]:
    with reading() as tx:
        return json.loads(json.dumps(release.values(tx, tx.keys)))


def lacks(found: Any, wanted: Any, path: str = "") -> list[str]:
    """Return where something that is `wanted` is not found; more may be there."""
    if isinstance(wanted, dict):
        missing = [f"{path}.{key}" for key in wanted if key not in found]
        both = [key for key in wanted if key in found]
        return missing + [
            at for key in both for at in lacks(found[key], wanted[key], f"{path}.{key}")
        ]
    if isinstance(wanted, list) and len(found) >= len(wanted):
        pairs = enumerate(zip(found, wanted, strict=False))
        return [at for number, pair in pairs for at in lacks(*pair, f"{path}[{number}]")]
    return [] if found == wanted else [f"{path}: {wanted!r} is {found!r}"]


def columns(kind: type) -> list[tuple[Table, Column]]:
    """Return every column of a type, whatever the models make of it."""
    return [
        (table, column)
        for table in Model.metadata.sorted_tables
        for column in table.columns
        if isinstance(getattr(column.type, "impl_instance", column.type), kind)
    ]


def rewrite(change: Callable[[Any], Any]) -> list[Any]:
    """Change everything that is stored as JSON, sealed or not, and return what there is then."""
    stored = []
    sealed = [(table, it) for table, it in columns(LargeBinary) if it.name == "sealed"]
    with writing() as tx:
        ring = tx.keys
        for table, column in sealed + columns(JSON):
            is_sealed = (table, column) in sealed
            raw = column if is_sealed else type_coerce(column, JSON)
            for number, value in tx.execute(select(table.c.id, raw)).all():
                changed = change(json.loads(ring.unseal(value)) if is_sealed else value)
                stored.append(changed)
                kept = ring.seal(json.dumps(changed).encode()) if is_sealed else changed
                bound = kept if is_sealed else type_coerce(kept, JSON)
                row = table.update().where(table.c.id == number)
                tx.execute(row.values({column.name: bound}))
    return stored


def with_more(value: Any) -> Any:
    """Return a value as a later release may write it: with one more field wherever fields are, and
    one more name among names."""
    if isinstance(value, dict):
        grown = {key: value[key] if key == "answers" else with_more(value[key]) for key in value}
        return grown | {"later": {"more": [1]}}
    if value in (["confirmed", "waiting"], ["email", "ask"]):
        return [*value, "later"]
    return [with_more(item) for item in value] if isinstance(value, list) else value


def less_to_join(wanted: dict[str, list[dict[str, Any]]]) -> None:
    """Change values of before 0011: it seals more, and keeps no seconds and no Message-IDs."""
    for row in wanted["registrations"]:
        row["sealed"] |= {name: row.pop(name) for name in ("language", "zone")}
    for row in wanted["letters"]:
        row["public_id"] = row.pop("message_id")[1:33]
    for name in ("registrations", "letters", "mailings", "audit_entries"):
        for row in wanted[name]:
            row |= {key: to_minute(at) for key, at in row.items() if is_time(key, at)}


def is_time(key: str, value: Any) -> bool:
    return bool(value) and (key == "at" or key.endswith(("_at", "_until")))


def to_minute(at: str) -> str:
    return datetime.fromisoformat(at).replace(second=0).isoformat()


def test_every_value_of_an_older_release_is_read_after_an_upgrade(kept, upgraded):
    # 0010 renamed circulars to mailings.
    text = (kept / release.VALUES).read_text(encoding="utf-8").replace("circular", "mailing")
    wanted = json.loads(text)
    assert min(len(wanted[name]) for name in ("registrations", "organizers", "mailings")) > 1
    for entry in wanted["audit_entries"]:
        entry["deed"] = KEYS_OF_DEEDS[entry["deed"]]
    less_to_join(wanted)
    assert lacks(values(), wanted) == []


def test_a_file_that_an_older_release_published_last_is_skipped(kept, upgraded):
    announced = read((kept / release.FILE).read_bytes())
    before = values()
    with writing() as tx:
        assert publication.publish(tx, announced).outcome is Outcome.UNCHANGED
    assert values() == before


def _held(found: dict[str, list[dict[str, Any]]]) -> Iterator[tuple[dict[str, Any], str]]:
    names = ("sealed", "content", "snapshot", "typed")
    return ((row, name) for rows in found.values() for row in rows for name in names if name in row)


def test_stored_values_have_a_version_that_only_the_database_sees(app, clock, tmp_path):
    release.fill(app, clock, tmp_path)
    stored = [value for value in rewrite(lambda value: value) if isinstance(value, dict)]
    assert len(stored) == 21
    assert {value["v"] for value in stored} == {1}
    assert {value["content"]["v"] for value in stored if "content" in value} == {1}
    assert not any("v" in row[name] for row, name in _held(values()))


def test_fields_that_a_later_release_adds_are_ignored(app, clock, tmp_path):
    release.fill(app, clock, tmp_path)
    before = values()
    rewrite(with_more)
    after = values()
    assert lacks(after, before) == []
    for table, name in (
        ("organizers", "sealed"),
        ("mailings", "sealed"),
        ("pending_forms", "sealed"),
        ("discussions", "content"),
        ("revisions", "announcement"),
        ("drafts", "shown"),
    ):
        assert [row[name] for row in after[table]] == [row[name] for row in before[table]]
    with reading() as tx:
        sharing = catalog.find(tx, "water").content.sharing
    assert [builders.attendee().has_agreed(item) for item in sharing] == [True, False]


@on_sqlite
def test_the_desk_shows_what_a_later_release_has_written(app, clock, tmp_path):
    release.fill(app, clock, tmp_path)
    rewrite(with_more)
    with reading() as tx:
        mailings = tx.scalars(select(Mailing.public_id)).all()
    desk = signed_in(app, clock, "erlan@example.org")
    water = "/organizer/discussions/water"
    pages = [water, f"{water}/edit", f"{water}/review", f"{water}/attendees", f"{water}/export"]
    pages += [f"{water}/mailings/{number}" for number in mailings]
    pages += [f"/registrations/{builders.attendee().token}", "/organizer/new", "/organizer/log"]
    assert [path for path in pages if desk.get(path).status_code != 200] == []


READERS = {
    Registration: lambda row: row.attendee(builders.ring()),
    Organizer: lambda row: row.identity(builders.ring()),
    Mailing: lambda row: row.wording(builders.ring()),
    PendingForm: lambda row: row.text(builders.ring()),
    Discussion: lambda row: row.content,
    Revision: lambda row: row.announcement,
    Draft: lambda row: row.typed,
}


@on_sqlite
def test_a_value_that_would_be_misread_is_refused(app, clock, tmp_path):
    release.fill(app, clock, tmp_path)
    rewrite(lambda value: value | {"v": 2} if isinstance(value, dict) else value)
    for model, look in READERS.items():
        with reading() as tx, pytest.raises(StoredByNewer, match="install that version"):
            look(tx.scalars(select(model)).first())


def test_a_field_that_is_missing_has_its_default():
    question = {"key": "city", "label": "Which city?"}
    draft = form_values.from_stored({"title": "Rivers", "questions": [question]})
    assert draft == form_values.empty_form() | {
        "title": "Rivers",
        "questions": [form_values.GROUPS["questions"] | question],
    }
    stored = {"public_id": "1", "token": "2", "calendar_token": "3", "name": "4", "address": "5"}
    assert Attendee.read(json.dumps(stored), "1") == Attendee("1", "2", "3", "4", "5")
