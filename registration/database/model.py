"""The base class of all tables, and column types that SQLAlchemy does not have."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import cast

from sqlalchemy import DateTime, Enum, MetaData, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator


class Model(DeclarativeBase):
    """The base class of all tables, with a naming convention for constraints."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """A column of instants: it accepts aware times only, and returns UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time is no instant")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class UtcMinute(UtcDateTime):
    """A column of instants that keeps no seconds, so that they match no entry of another log."""

    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        instant = super().process_bind_param(value, dialect)
        return None if instant is None else to_minute(instant)


def to_minute(moment: datetime) -> datetime:
    """Return the minute in which `moment` lies."""
    return moment.replace(second=0, microsecond=0)


def to_next_minute(moment: datetime) -> datetime:
    """Return the first whole minute at or after `moment`: no delay is cut short."""
    return to_minute(moment + timedelta(minutes=1, microseconds=-1))


def table_of(model: type[Model]) -> Table:
    """Return a model's table, for statements that bypass the ORM."""
    return cast("Table", model.__table__)


def comparable(text: str) -> str:
    """Return text from a request so that the database can compare it.

    PostgreSQL refuses NUL, which a URL can contain; no stored value contains one.
    """
    return text.replace("\0", "?")


def by_value(members: type[StrEnum]) -> Enum:
    """Return a column type that stores an enum by its values, as text."""
    return Enum(
        members,
        native_enum=False,
        length=40,
        values_callable=lambda members: [member.value for member in members],
    )
