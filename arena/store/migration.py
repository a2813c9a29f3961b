"""The schema of a database, brought to the newest version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from arena.errors import StoreError


def migrate(connection: Connection, migrations: Path, shown: str) -> None:
    """Do so in the transaction of `connection`. Raises `StoreError`, which calls the database `shown`."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
        raise StoreError(
            f"{shown}: was written by a newer version of the arena (schema {current}). "
            "Upgrade the arena, or name another database in config.toml."
        )
    try:
        command.upgrade(config, "head")
    except CommandError as exc:
        raise StoreError(f"{shown}: cannot be migrated: {exc}") from exc
