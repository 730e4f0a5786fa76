"""Bringing a history to the schema of this program: all of it or nothing, whenever it is killed."""

import importlib
import logging
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from tidemill.domain.errors import UnusableHistory
from tidemill.history.migrations import VERSIONS

_LOG: Final = logging.getLogger(__name__)
FOLDER: Final = Path(__file__).parent / "migrations"
APPLICATION_ID: Final = 0x7469_6465
"""Stands in the header of the SQLite file: "tide"."""


def bring_up_to_date(connection: Connection, where: str) -> None:
    """Create or migrate the schema inside the transaction of *connection*; refuse what is not ours or newer."""
    version = _version_of(connection)
    if version == VERSIONS[-1]:
        return
    if version is None:
        if _has_tables(connection):
            raise UnusableHistory(f"{where} is a database of something else; name another one in the settings")
        _create(connection)
    elif version in VERSIONS:
        upgrade(connection)
        _LOG.info("the history %s was brought from schema %s to %s", where, version, VERSIONS[-1])
    else:
        raise UnusableHistory(
            f"{where} was written by a newer tidemill (schema {version}, this program knows up to {VERSIONS[-1]}); "
            "upgrade tidemill, or restore the backup made before the upgrade"
        )


def upgrade(connection: Connection, versions: Path = FOLDER / "versions") -> None:
    """Apply the versions in the folder *versions* that are missing, by Alembic."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("version_locations", str(versions).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _create(connection: Connection) -> None:
    dialect = connection.dialect.name
    for path in sorted((FOLDER / "versions").glob("v*.py")):
        version = importlib.import_module(f"tidemill.history.migrations.versions.{path.stem}")
        for statement in version.statements(dialect):
            connection.exec_driver_sql(statement)
    # As Alembic makes it.
    connection.exec_driver_sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": VERSIONS[-1]})
    if dialect == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")


def _version_of(connection: Connection) -> str | None:
    if not _tables(connection, "AND {name} = 'alembic_version'"):
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _has_tables(connection: Connection) -> bool:
    return bool(_tables(connection, "LIMIT 1"))


def _tables(connection: Connection, rest: str) -> list[str]:
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'table' " + rest.format(name="name")
    else:
        query = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = current_schema() "
        query += rest.format(name="tablename")
    return [row[0] for row in connection.exec_driver_sql(query)]
