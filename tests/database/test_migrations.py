"""Migrations: from nothing and with data in, all or nothing, on both databases, like the models."""

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, Insert, MetaData, Table, inspect, select, text
from sqlalchemy.orm import Session

from registration import database
from registration.database import Model, connect, reading
from registration.models import Deed, Letter, Registration, Revision, When
from registration.services.operations import migration
from registration.services.operations.migration import UpgradeFailed
from registration.services.operations.schema import (
    MIGRATIONS,
    SchemaNewer,
    SchemaOutdated,
    check,
    revisions,
)

from .. import builders
from ..postgresql import create_database

LAST = max(path.name for path in (MIGRATIONS / "versions").glob("0*.py"))[:4]
AFTER = f"""
import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{LAST}"


def upgrade() -> None:
"""
# SQLite cannot change a table in place: Alembic makes each anew and drops the old one.
REMAKE = (
    AFTER
    + """
    anew = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    for table in ("discussions", "registrations", "letters"):
        with op.batch_alter_table(table, recreate=anew) as batch:
            batch.add_column(sa.Column("later", sa.String(), nullable=True))
"""
)
FAIL = REMAKE + '    op.execute("INSERT INTO erasures (id) VALUES (1)")\n'
BREAK = AFTER + '    op.execute("UPDATE registrations SET discussion_id = 4711")\n'


@pytest.fixture
def later(tmp_path: Path) -> Callable[[str], Path]:
    """Return the migrations of a later version, which has one more."""

    def make(content: str) -> Path:
        folder = tmp_path / "migrations"
        shutil.copytree(MIGRATIONS, folder)
        (folder / "versions" / "9000_later.py").write_text(content)
        return folder

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path):
    """Return how to open a database that has nothing in it."""
    url = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    if request.param == "postgresql":
        url = create_database(request.getfixturevalue("postgres"), f"test_{uuid4().hex}")
    engines = []

    def open_() -> Engine:
        engines.append(connect(url))
        return engines[-1]

    yield open_
    for engine in engines:
        engine.dispose()


def schema(engine: Engine) -> dict[str, set[str]]:
    inspector = inspect(engine)
    return {
        table: {column["name"] for column in inspector.get_columns(table)}
        for table in inspector.get_table_names()
    }


def content() -> list[str]:
    with reading() as tx:
        return [
            *map(str, tx.execute(text("SELECT * FROM registrations ORDER BY id"))),
            *map(str, tx.execute(text("SELECT * FROM letters ORDER BY id"))),
            *map(str, tx.execute(text("SELECT slug, version, content FROM discussions"))),
        ]


def test_the_migrations_make_what_the_models_say(empty):
    engine = empty()
    migration.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Model.metadata) == []
    assert schema(engine).keys() == {*Model.metadata.tables, "alembic_version"}


def test_every_migration_is_in_a_file_named_after_its_revision():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert revisions(MIGRATIONS) == scripts[::-1]


def test_the_migrations_make_the_models_constraints(empty):
    engine = empty()
    migration.upgrade(engine)
    inspector = inspect(engine)
    for name, table in Model.metadata.tables.items():
        made = {check["name"] for check in inspector.get_check_constraints(name)}
        made |= {unique["name"] for unique in inspector.get_unique_constraints(name)}
        made |= {key["name"] for key in inspector.get_foreign_keys(name)}
        made.add(inspector.get_pk_constraint(name)["name"])
        assert made == {constraint.name for constraint in table.constraints}


def test_revisions_get_the_instants_that_were_announced(empty, tmp_path):
    older = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, older)
    for path in (older / "versions").glob("0*.py"):
        if path.name > "0003":
            path.unlink()
    engine = empty()
    migration.upgrade(engine, older)
    span: dict[str, Any] = {
        "starts_local": "2026-04-02T17:00:00",
        "ends_local": "2026-04-02T18:30:00",
    }
    starts, ends = map(datetime.fromisoformat, span.values())
    span |= {"zone": "Asia/Almaty", "all_day": False}
    moment = datetime(2026, 3, 2, 12, tzinfo=UTC)
    tables = MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        connection.execute(
            tables.tables["discussions"].insert(),
            {
                "id": 1,
                "slug": "water",
                "uid": "a",
                "sequence": 0,
                "version": 1,
                "status": "published",
                "published_at": moment,
                "changed_at": moment,
                "content": {},
                "all_day": False,
                "zone": "Asia/Almaty",
                "starts_local": starts,
                "ends_local": ends,
                "starts_at": moment,
                "ends_at": moment,
                "organizer_address": "a@example.org",
            },
        )
        of_it = {"discussion_id": 1, "created_at": moment}
        day: dict[str, object] = {"starts_local": "2026-04-02T00:00:00"}
        day["ends_local"] = "2026-04-03T00:00:00"
        day |= {"zone": None, "all_day": True}
        snapshot = {"status": "published", "sequence": 0, "when": span, "content": {"join_url": ""}}
        connection.execute(
            tables.tables["revisions"].insert(),
            [
                {"id": 1, "number": 1, "snapshot": snapshot, **of_it},
                {"id": 2, "number": 2, "snapshot": snapshot | {"when": day}, **of_it},
            ],
        )
    migration.upgrade(engine)
    with Session(engine) as session:
        found = session.get_one(Revision, 1).essentials
        assert session.get_one(Revision, 2).when == When.day(date(2026, 4, 2))
    assert found.when == When.of(starts, ends, "Asia/Almaty")
    assert (found.is_cancelled, found.join_url) == (False, "")


def test_upgrading_again_changes_nothing(app):
    builders.publish()
    builders.register_and_confirm()
    before = content()
    migration.upgrade(database.engine())
    assert content() == before


def test_an_upgrade_keeps_every_row_and_reference(app, later):
    builders.publish()
    builders.register_and_confirm()
    builders.register(address="bolat@example.org")
    before = content()
    migration.upgrade(database.engine(), later(REMAKE))
    after = [row.removesuffix(", None)") + ")" for row in content()[:-1]]
    assert [len(before), after] == [6, before[:-1]]
    assert content()[-1] == before[-1]
    # The references are still there: what belongs to a registration goes with it.
    with database.writing() as tx:
        tx.execute(text("DELETE FROM discussions"))
    with reading() as tx:
        assert tx.query(Registration.id).all() == []
        assert tx.query(Letter.id).all() == []


@pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
def test_an_upgrade_on_sqlite_leaves_references_checked(app, later):
    migration.upgrade(database.engine(), later(REMAKE))
    for _ in range(3):
        with database.engine().connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_an_upgrade_that_fails_changes_nothing(app, later):
    builders.publish()
    builders.register_and_confirm()
    before, tables = content(), schema(database.engine())
    with pytest.raises(UpgradeFailed, match=r"^The upgrade failed, and changed nothing: .+\.$"):
        migration.upgrade(database.engine(), later(FAIL))
    assert (content(), schema(database.engine())) == (before, tables)
    check(database.engine())


@pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
def test_an_upgrade_that_would_break_references_changes_nothing(app, later):
    builders.publish()
    builders.register()
    before = content()
    with pytest.raises(UpgradeFailed, match="nothing: it would break 1 reference"):
        migration.upgrade(database.engine(), later(BREAK))
    assert content() == before
    check(database.engine())


def test_a_first_upgrade_that_fails_leaves_nothing_behind(empty):
    engine = empty()
    with engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE letters (id INTEGER)")
    with pytest.raises(UpgradeFailed, match=r"letters.* already exists\.$"):
        migration.upgrade(engine)
    assert schema(engine) == {"letters": {"id"}}


def test_two_upgrades_at_once_both_succeed(empty):
    start = threading.Barrier(4)

    def upgrade(engine: Engine) -> None:
        start.wait()
        migration.upgrade(engine)

    with ThreadPoolExecutor(4) as pool:
        upgrades = [pool.submit(upgrade, empty()) for _ in range(4)]
    for done in upgrades:
        done.result()
    check(empty())


def test_a_database_from_a_newer_version_is_left_alone(app, later):
    migration.upgrade(database.engine(), later(REMAKE))
    tables = schema(database.engine())
    for act in (check, migration.upgrade):
        with pytest.raises(SchemaNewer, match=r"by a newer version \(9000\): install that"):
            act(database.engine())
    assert schema(database.engine()) == tables


def test_an_empty_database_is_told_to_be_upgraded(empty):
    with pytest.raises(SchemaOutdated, match="run `flask database upgrade`"):
        check(empty())


def test_deeds_of_the_audit_log_get_keys_and_stay_as_they_are(empty, tmp_path):
    older = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, older)
    for path in (older / "versions").glob("0*.py"):
        if path.name >= "0009":
            path.unlink()
    engine = empty()
    migration.upgrade(engine, older)
    written = "INSERT INTO audit_entries (id, at, deed, detail) VALUES "
    moment = "'2026-03-02 12:00:00.000000'"
    with engine.begin() as connection:
        connection.execute(
            text(
                f"{written} (1, {moment}, 'discussion changed', 'title'), "
                f"(2, {moment}, 'attendees exported', 'for PaperLab'), "
                f"(3, {moment}, 'attendees exported', 'confirmed: name, email'), "
                f"(4, {moment}, 'wrong codes with the right password', NULL)"
            )
        )
    migration.upgrade(engine)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT deed, detail FROM audit_entries ORDER BY id"))
        assert list(map(tuple, rows)) == [
            ("discussion.changed", "title"),
            ("attendees.exported", "partner: PaperLab"),
            ("attendees.exported", "confirmed: name, email"),
            ("organizer.codes_tried", None),
        ]
    for act in ("UPDATE audit_entries SET at = at", "DELETE FROM audit_entries"):
        with pytest.raises(Exception, match="never changed"), engine.begin() as connection:
            connection.execute(text(act))


def test_every_deed_that_was_stored_in_words_has_a_key():
    script = ScriptDirectory(str(MIGRATIONS)).get_revision("0009")
    later = {Deed.EVERYBODY_ERASED, Deed.EVERYBODY_SIGNED_OUT}
    assert sorted(script.module._KEYS.values()) == sorted(set(Deed) - later)


def row(table: Table, **values: object) -> Insert:
    """Return how to add a row with these values, and with any others that it must have."""
    moment = datetime(2026, 3, 2, 12, tzinfo=UTC)
    kinds = {int: 0, str: "x", bool: False, bytes: b"x", datetime: moment}
    needed = [
        it for it in table.columns if not (it.nullable or it.primary_key or it.server_default)
    ]
    return table.insert().values(
        {it.name: kinds.get(it.type.python_type, {}) for it in needed} | values
    )


def test_circulars_and_their_letters_become_mailings(empty, tmp_path):
    older = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, older)
    for path in (older / "versions").glob("0*.py"):
        if path.name > "0010":
            path.unlink()
    engine = empty()
    migration.upgrade(engine, older)
    before = MetaData()
    before.reflect(engine)
    moment = datetime(2026, 3, 2, 12, tzinfo=UTC)
    with engine.begin() as connection:
        for table, values in (
            ("discussions", {"id": 1}),
            ("organizers", {"id": 1}),
            ("circulars", {"id": 7, "discussion_id": 1, "organizer_id": 1, "queued_at": moment}),
            ("registrations", {"id": 1, "discussion_id": 1, "circulars_stopped_at": moment}),
            ("letters", {"kind": "circular", "key": "circular/1/x", "circular_id": 7}),
            ("letters", {"kind": "link", "key": "link/1/1", "message_id": "y"}),
        ):
            connection.execute(row(before.tables[table], **values))
    migration.upgrade(engine)
    after = MetaData()
    after.reflect(engine)
    assert [name for name in schema(engine) if "circular" in name] == []
    letters, mailings = after.tables["letters"], after.tables["mailings"]
    with engine.begin() as connection:
        added = row(mailings, public_id="y", discussion_id=1, organizer_id=1)
        assert connection.execute(added).inserted_primary_key == (8,)
        found = select(letters.c.kind, letters.c.key, letters.c.mailing_id).order_by(letters.c.id)
        assert connection.execute(found).all() == [
            ("mailing", "mailing/1/x", 7),
            ("link", "link/1/1", None),
        ]
        kept = select(mailings.c.public_id, mailings.c.queued_at.is_not(None))
        assert set(connection.execute(kept).all()) == {("x", True), ("y", False)}
        stopped = select(after.tables["registrations"].c.mailings_stopped_at.is_not(None))
        assert connection.scalars(stopped).all() == [True]
        connection.execute(mailings.delete())
        assert connection.scalars(select(letters.c.mailing_id)).all() == [None, None]
