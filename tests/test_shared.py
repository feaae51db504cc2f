"""Every test finds a fresh installation, although tests share one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, event, inspect, text

from registration import app_context, create_app, database
from registration.database import reading

from . import builders
from .conftest import Clock
from .shared import Shared


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request) -> Shared:
    return request.getfixturevalue(f"shared_{request.param}")


@pytest.fixture
def fresh(shared, clock) -> Callable[[], Flask]:
    """A function that does what the fixtures `instance` and `app` do before each test."""

    def fresh() -> Flask:
        shared.lay_anew()
        return shared.app(clock)

    return fresh


def state(app: Flask, folder: Path) -> dict[str, object]:
    """Return what a test can find of an installation and its app."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    with app.app_context():
        engine = database.engine()
        with reading() as tx:
            version = tx.scalar(text("SELECT version_num FROM alembic_version"))
        return {
            "rows": builders.every_row(),
            "version": version,
            "tables": sorted(inspect(engine).get_table_names()),
            "listeners": len(engine.dispatch.before_cursor_execute),
            "now": app_context.now(),
            "settings": app_context.settings(),
            "has readers": bool(app_context.feed_tally()),
            "extensions": sorted(app.extensions),
            "config": dict(app.config),
            "words of templates": [*app.jinja_env.globals, *app.jinja_env.filters],
            "application": app.wsgi_app,
            "modes": {path: path.stat().st_mode for path in (folder, *files)},
            "contents": {path: path.read_bytes() for path in files if "sqlite" not in path.name},
        }


def use(app: Flask, clock: Clock, folder: Path) -> None:
    """Change whatever a test can change."""
    with app.app_context():
        builders.publish()
        builders.register_and_confirm()
        builders.deliver()
        app_context.feed_tally().add("Thunderbird", took=None, not_modified=False, now=clock())
        event.listen(database.engine(), "before_cursor_execute", lambda *_: None)
        app.extensions["settings"] = app_context.settings().on_port(1)
        app.extensions["writers"].acquire()
    app.extensions |= {"clock": app_context.utc_now, "left behind": True}
    app.config.update(ANSWER_FLOOR=9.0, LEFT_BEHIND=True)
    app.jinja_env.globals["left_behind"] = app.jinja_env.filters["left_behind"] = str
    app.wsgi_app = app.response_class("left behind")
    for key in (folder / "keys").iterdir():
        key.write_text("no key")
        key.chmod(0o644)
    (folder / "settings.toml").write_text('SITE_NAME = "Left behind"')


def test_nothing_that_a_test_left_behind_reaches_the_next(fresh, shared, clock):
    before = state(fresh(), shared.folder)
    app = fresh()
    use(app, clock, shared.folder)
    with app.app_context():
        app.extensions["writers"].release()
        left = state(app, shared.folder)
    same = [name for name, value in before.items() if left[name] == value]
    assert same == ["version", "tables"], "all the rest was changed"
    turns = app.extensions["writers"]
    assert state(fresh(), shared.folder) == before
    assert app.extensions["writers"] is not turns


def test_ids_begin_again_and_the_keys_open_new_values(fresh):
    seen = []
    for _ in range(2):
        with fresh().app_context():
            builders.publish()
            builders.register_and_confirm()
            seen.append((builders.registration_of().id, len(builders.every_row()["letters"])))
    assert seen[0] == seen[1]


@pytest.fixture
def other(shared) -> Iterator[Engine]:
    """An engine of the same database that no fixture knows."""
    engine = create_app(shared.settings).extensions["engine"]
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE letters",
        "ALTER TABLE letters RENAME TO elsewhere",
        "ALTER TABLE letters ADD COLUMN later INTEGER",
        "DROP INDEX ix_letters_state_due",
        "CREATE TABLE more (id INTEGER)",
    ],
)
def test_tables_are_whole_again(fresh, shared, other, change):
    before = state(fresh(), shared.folder)
    with other.begin() as connection:
        connection.exec_driver_sql(change)
    assert state(fresh(), shared.folder) == before


def test_a_transaction_that_was_forgotten_holds_nobody_up(fresh, shared, other):
    before = state(fresh(), shared.folder)
    forgotten = other.execution_options(writes=True).connect()
    forgotten.begin()
    forgotten.exec_driver_sql("UPDATE installation SET content_version = 12")
    assert state(fresh(), shared.folder) == before
    forgotten.invalidate()


def test_an_app_that_tests_share_takes_nothing_for_good(fresh):
    with pytest.raises(AssertionError, match="no longer be called"):
        fresh().add_url_rule("/more", "more", str)
