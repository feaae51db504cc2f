"""Runs migrations on the connection that `operations.migration` hands over, in its transaction."""

from alembic import context

from registration import models  # noqa: F401  # makes the tables known
from registration.database import Model

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Model.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
