"""Alembic's environment: migrations run on the connection, and in the transaction, of
`services.operations.migration`."""

from alembic import context

from registration import models  # noqa: F401  # registers the tables
from registration.database import Model

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Model.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
