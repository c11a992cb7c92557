"""The first tables of store.db."""

from alembic import op

revision = "store_0001"
down_revision = None
branch_labels = ("store",)
depends_on = None

TABLES = (
    """
    CREATE TABLE commands (
        id TEXT NOT NULL,
        PRIMARY KEY (id)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE TABLE coverage (
        kind TEXT NOT NULL,
        authority TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (kind, authority)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE TABLE cursors (
        name TEXT NOT NULL,
        partition INTEGER NOT NULL,
        position INTEGER NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        failures INTEGER NOT NULL,
        PRIMARY KEY (name, partition)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE TABLE "deferred" (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        entry INTEGER NOT NULL,
        channel TEXT NOT NULL,
        job TEXT NOT NULL,
        body BLOB NOT NULL,
        charset TEXT NOT NULL,
        options TEXT NOT NULL,
        tries INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE facts (
        patient TEXT NOT NULL,
        entry INTEGER NOT NULL,
        run INTEGER NOT NULL,
        ordinal INTEGER NOT NULL,
        kind TEXT NOT NULL,
        concept TEXT NOT NULL,
        code TEXT NOT NULL,
        system TEXT NOT NULL,
        text TEXT NOT NULL,
        value REAL,
        comparator TEXT NOT NULL,
        value_text TEXT NOT NULL,
        unit TEXT NOT NULL,
        reference TEXT NOT NULL,
        flag TEXT NOT NULL,
        status TEXT NOT NULL,
        certainty TEXT NOT NULL,
        observed INTEGER NOT NULL,
        ended INTEGER NOT NULL,
        version INTEGER NOT NULL,
        received INTEGER NOT NULL,
        visit TEXT NOT NULL,
        "key" TEXT NOT NULL,
        path TEXT NOT NULL,
        source TEXT NOT NULL,
        quote TEXT NOT NULL,
        PRIMARY KEY (patient, entry, run, ordinal, kind)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE TABLE identity (
        entry INTEGER NOT NULL,
        run INTEGER NOT NULL,
        ordinal INTEGER NOT NULL,
        event TEXT NOT NULL,
        a TEXT NOT NULL,
        b TEXT NOT NULL,
        received INTEGER NOT NULL,
        PRIMARY KEY (entry, run, ordinal)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE INDEX identity_a ON identity (a)
    """,
    """
    CREATE INDEX identity_b ON identity (b)
    """,
    """
    CREATE TABLE notes (
        id INTEGER NOT NULL,
        entry INTEGER NOT NULL,
        channel INTEGER NOT NULL,
        run INTEGER NOT NULL,
        cause INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (id)
    ) STRICT
    """,
    """
    CREATE INDEX notes_entry ON notes (entry)
    """,
    """
    CREATE TABLE orders (
        number TEXT NOT NULL,
        patient TEXT NOT NULL,
        accession TEXT NOT NULL,
        placer TEXT NOT NULL,
        filler TEXT NOT NULL,
        visit TEXT NOT NULL,
        control TEXT NOT NULL,
        order_status TEXT NOT NULL,
        state TEXT NOT NULL,
        code TEXT NOT NULL,
        text TEXT NOT NULL,
        modality TEXT NOT NULL,
        region TEXT NOT NULL,
        contrast TEXT NOT NULL,
        scheduled INTEGER NOT NULL,
        entry INTEGER NOT NULL,
        received INTEGER NOT NULL,
        listener TEXT NOT NULL,
        PRIMARY KEY (number)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE TABLE outbox (
        place INTEGER NOT NULL,
        entry INTEGER NOT NULL,
        channel INTEGER NOT NULL,
        run INTEGER NOT NULL,
        supersedes INTEGER NOT NULL,
        configuration INTEGER NOT NULL,
        created INTEGER NOT NULL,
        encoding INTEGER NOT NULL,
        "key" TEXT NOT NULL,
        control_id TEXT NOT NULL,
        order_number TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (place)
    ) STRICT
    """,
    """
    CREATE INDEX outbox_entry ON outbox (entry)
    """,
    """
    CREATE TABLE outbox_tail (
        id INTEGER NOT NULL,
        destination TEXT NOT NULL,
        lane INTEGER NOT NULL,
        tail INTEGER NOT NULL,
        PRIMARY KEY (id)
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX outbox_tail_place ON outbox_tail (destination, lane)
    """,
    """
    CREATE TABLE outcomes (
        entry INTEGER NOT NULL,
        channel INTEGER NOT NULL,
        run INTEGER NOT NULL,
        status INTEGER NOT NULL,
        step INTEGER NOT NULL,
        path INTEGER NOT NULL,
        reason INTEGER NOT NULL,
        enrichment INTEGER NOT NULL,
        flags INTEGER NOT NULL,
        alerts INTEGER NOT NULL,
        configuration INTEGER NOT NULL,
        committed INTEGER NOT NULL,
        PRIMARY KEY (entry, channel, run)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE INDEX outcomes_failed ON outcomes (entry) WHERE status = 3
    """,
    """
    CREATE TABLE search_keys (
        kind INTEGER NOT NULL,
        value TEXT NOT NULL,
        entry INTEGER NOT NULL,
        PRIMARY KEY (kind, value, entry)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE TABLE snapshots (
        patient TEXT NOT NULL,
        kind TEXT NOT NULL,
        scope TEXT NOT NULL,
        digest BLOB NOT NULL,
        PRIMARY KEY (patient, kind, scope)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE TABLE switches (
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (name)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE TABLE synopses (
        id INTEGER NOT NULL,
        order_number TEXT NOT NULL,
        entry INTEGER NOT NULL,
        encoding INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (id)
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX synopses_order ON synopses (order_number, entry)
    """,
    """
    CREATE TABLE totals (
        name TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (name)
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
