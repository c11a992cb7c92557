"""Bringing an older file up to date with Alembic, one branch of revisions per file; imported only when one is older."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from engine.store.files import FileKind, stamp_version


def configuration(connection: Connection) -> Config:
    """Alembic's settings for the revisions beside this file, over a connection that is open already."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, kind: FileKind) -> None:
    """Run the branch's revisions that the file has not seen, all in one transaction."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    command.upgrade(configuration(connection), f"{kind.name}@head")
    stamp_version(connection, kind)
    connection.commit()
