"""The first tables of journal.db."""

from alembic import op

revision = "journal_0001"
down_revision = None
branch_labels = ("journal",)
depends_on = None

TABLES = (
    """
    CREATE TABLE attempts (
        id INTEGER NOT NULL,
        lane INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        decision INTEGER NOT NULL,
        answer INTEGER NOT NULL,
        PRIMARY KEY (id)
    ) STRICT
    """,
    """
    CREATE INDEX attempts_row ON attempts (lane, seq)
    """,
    """
    CREATE TABLE commands (
        id TEXT NOT NULL,
        PRIMARY KEY (id)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE TABLE dedupe (
        run INTEGER NOT NULL,
        h INTEGER NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY (run, h, n)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE TABLE dedupe_runs (
        run INTEGER NOT NULL,
        last INTEGER NOT NULL,
        newest INTEGER NOT NULL,
        plane BLOB NOT NULL,
        PRIMARY KEY (run)
    ) STRICT
    """,
    """
    CREATE TABLE entries (
        position INTEGER NOT NULL,
        received INTEGER NOT NULL,
        partition INTEGER NOT NULL,
        listener INTEGER NOT NULL,
        peer INTEGER NOT NULL,
        port INTEGER NOT NULL,
        charset INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        answer INTEGER NOT NULL,
        flags INTEGER NOT NULL,
        encoding INTEGER NOT NULL,
        h INTEGER,
        sha256 BLOB NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (position)
    ) STRICT
    """,
    """
    CREATE INDEX entries_partition ON entries (partition, position) WHERE partition > 0
    """,
    """
    CREATE TABLE lanes (
        id INTEGER NOT NULL,
        destination TEXT NOT NULL,
        lane INTEGER NOT NULL,
        done INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        state INTEGER NOT NULL,
        reason TEXT NOT NULL,
        tries INTEGER NOT NULL,
        next_try INTEGER NOT NULL,
        since INTEGER NOT NULL,
        PRIMARY KEY (id)
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX lanes_place ON lanes (destination, lane)
    """,
    """
    CREATE TABLE marks (
        name TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (name)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE TABLE parked (
        lane INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        "key" TEXT NOT NULL,
        at INTEGER NOT NULL,
        released INTEGER NOT NULL,
        PRIMARY KEY (lane, seq)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE TABLE words (
        id INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (text)
    ) STRICT
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("files go forward only; restore a backup to go back")
