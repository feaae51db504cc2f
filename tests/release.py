"""The database that a release leaves: made here by the current code, and read back.

`python -m tests.release FOLDER` keeps it, with its keys and with every value in it as JSON, for
later releases to read (tests/data/releases).
"""

import json
import shutil
import sys
import tempfile
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from registration import app_context, create_app, database
from registration.crypto.key_ring import KeyRing
from registration.database import Model, reading, writing
from registration.discussion_file import form_values
from registration.models import (
    Draft,
    Export,
    Group,
    Mailing,
    Organizer,
    PendingForm,
    Registration,
    Revision,
    Role,
)
from registration.services import catalog
from registration.services.attendees import export_files, export_records
from registration.services.drafts import drafts
from registration.services.mailings import mailings
from registration.services.operations.backups import creation
from registration.services.registrations import self_service

from . import builders
from .conftest import Clock, install
from .desk import ASEL, invite, signed_in
from .shared import CHEAP

DATABASE, KEYS, VALUES, FILE = "registration.sqlite3", "keys", "values.json", "water.toml"
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
WATER = """
seats = 3
subtitle = "A river between two seas"
reminders = ["1d", "1h"]
join_url = "https://meet.example.org/water"
afterword = "Thank you."
"""
PARTNERS = """
[[partners]]
role = "Co-host"
name = "PaperLab"
place = "Almaty"
url = "https://paperlab.example.org"
"""
ANSWERS = {
    "city": "Алматы",
    "ask": "Who pays?\nAnd when?",
    "seat": "Back",
    "topics": ["Rivers", "Lakes & seas"],
    "rules": True,
}
DESERT = 'slug = "desert"\ntitle = "The desert"\nregistration = "open"\n'
DAY = b"""
slug = "day"
title = "A whole day"
date = 2026-05-09
description = "Anywhere on Earth."
"""


def fill(app: Any, clock: Clock, folder: Path) -> None:
    """Write a row of each kind, and a value of each kind of JSON; an export goes to `folder`."""
    builders.publish(builders.with_questions(WATER) + PARTNERS.encode())
    builders.publish(builders.file(DESERT))
    builders.publish(DAY)
    _register()
    clock.advance(minutes=1)
    builders.publish(water())
    builders.cancel("desert")
    signed_in(app, clock, ASEL)
    invite("lab@example.org", Role.PARTNER, "water", partner="PaperLab")
    _write_mailings()
    _draft()
    source = export_records.Source(reading, writing, app_context.settings().keys)
    export_files.write(
        source, "water", folder / "people.csv", ["email", "ask"], ";", app_context.now()
    )
    with writing() as tx:
        # No path of the machine on which it was made is kept.
        tx.execute(update(Export).values(path="/srv/people.csv"))
    clock.advance(minutes=10)
    builders.deliver()


def water() -> bytes:
    """Return the file of the discussion `water` as it was published last."""
    moved = builders.with_questions(WATER + "starts = 2026-04-02T16:00:00\n")
    return moved + PARTNERS.encode()


def _register() -> None:
    agreed = {"answers": ANSWERS, "shared_with": [builders.AGREED]}
    builders.register_and_confirm(
        affiliation="КазНУ", zone="Asia/Almaty", wants_follow_up=True, **agreed
    )
    person = builders.register_and_confirm("farida@example.org", name="Farida")
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, person.token)
        self_service.withdraw(tx, registration)
    person = builders.register_and_confirm("bolat@example.org", name="Bolat", **agreed)
    builders.register(address="erlan@example.org", name="Erlan", language="ru")
    builders.register(address="erlan@example.org", name="E. Sagatov", answers=ANSWERS)
    builders.register_and_confirm("dana@example.org", name="Dana")
    builders.register_and_confirm(slug="desert")
    with writing() as tx:
        new = builders.entry("bolat@example.com", name="Bolat", **agreed)
        self_service.change(tx, person.token, new)


def _write_mailings() -> None:
    for subject in ("News", "A draft"):
        with writing() as tx:
            water = catalog.find(tx, "water")
            wording = mailings.Draft(
                subject, "Dear {{ name }},\nread this.", (Group.CONFIRMED, Group.WAITING)
            )
            kept = mailings.save(tx, water, wording, by=1)
            tx.flush()
            if subject == "News":
                mailings.queue(tx, water, kept.public_id, 1, by=1)


def _draft() -> None:
    with writing() as tx:
        by = tx.scalars(select(Organizer).order_by(Organizer.id)).first()
        found = drafts.find(tx, by, "water")
        written = found.typed | {"title": "Who owns the rain?", "seats": "many"}
        drafts.save(tx, by, "water", written, found.opened)
        written = form_values.empty_form() | {"slug": "rivers", "title": "Rivers"}
        drafts.create(tx, by, "rivers", written)


def values(tx: Session, ring: KeyRing) -> dict[str, list[dict[str, Any]]]:
    """Return every value of every row, by table, as JSON has it; sealed values unsealed."""
    found = {
        table.name: [
            {name: _plain(value) for name, value in row.items()}
            for row in tx.execute(select(table).order_by(*table.primary_key)).mappings()
        ]
        for table in Model.metadata.sorted_tables
    }
    for model, name, read in (
        (Registration, "sealed", lambda row: row.attendee(ring)),
        (Organizer, "sealed", lambda row: row.identity(ring)),
        (Mailing, "sealed", lambda row: row.wording(ring)),
        (PendingForm, "sealed", lambda row: row.text(ring)),
        (Revision, "announcement", lambda row: row.announcement),
        (Revision, "essentials", lambda row: row.essentials),
        (Draft, "shown", _shown),
    ):
        for row, kept in zip(
            tx.scalars(select(model).order_by(model.id)),
            found[model.__tablename__],
            strict=True,
        ):
            kept[name] = _plain(read(row))
    return found


def _shown(draft: Draft) -> dict[str, Any]:
    return drafts.Standing(draft.slug, None, draft).typed


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        value = asdict(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, date) else value


def main(kept: Path) -> None:
    """Save the database of the current code into a folder."""
    clock = Clock(NOW)
    with tempfile.TemporaryDirectory() as made:
        app = create_app({"INSTANCE": made, "CONTACT": "hosts@example.org"}, clock=clock)
        app.config["PASSWORD_COST"] = CHEAP
        install(app)
        kept.mkdir(parents=True)
        with app.app_context():
            fill(app, clock, Path(made))
            creation.back_up(database.engine(), kept / DATABASE, now=clock.now)
            with writing() as tx:
                creation.note_backup(tx)
            with reading() as tx:
                found = values(tx, tx.keys)
            database.engine().dispose()
        shutil.copytree(Path(made, KEYS), kept / KEYS)
    Path(kept, FILE).write_bytes(water())
    text = json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True)
    Path(kept, VALUES).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
