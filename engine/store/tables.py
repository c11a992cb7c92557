"""The tables of journal.db and store.db, with the bytes each row costs in mind.

On PostgreSQL the two are schemas of one database; a SQLite writer translates the schema to none, readers attach the file
under the schema's name (D20). Words that repeat (listeners, answers, channels, reasons, configuration hashes) are stored
once in `words` and named by number. Tables are STRICT: a value of another type is refused, never converted.
"""

from typing import Any

from sqlalchemy import REAL, BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

JOURNAL = "journal"
STORE = "store"

BIG = BigInteger().with_variant(Integer(), "sqlite")  # INTEGER PRIMARY KEY is SQLite's row number only under this name

journal = MetaData(schema=JOURNAL)
store = MetaData(schema=STORE)


def _key(name: str, kind: Any) -> Column[Any]:
    return Column(name, kind, primary_key=True, nullable=False, autoincrement=False)


def _number() -> Column[Any]:
    """A row's number, given by the database."""
    return Column("id", BIG, primary_key=True, nullable=False, autoincrement=True)


def _columns(kind: Any, *names: str) -> list[Column[Any]]:
    return [Column(name, kind, nullable=False) for name in names]


def _table(metadata: MetaData, name: str, *parts: Any, rowid: bool = False, **more: Any) -> Table:
    """A table; `rowid=False` keeps the rows in the tree of their primary key instead of beside it."""
    return Table(name, metadata, *parts, sqlite_strict=True, sqlite_with_rowid=rowid, **more)


def _words(metadata: MetaData) -> Table:
    return _table(metadata, "words", _key("id", BIG), Column("text", Text, nullable=False, unique=True), rowid=True)


def _commands(metadata: MetaData) -> Table:
    return _table(metadata, "commands", _key("id", Text))


def _revision(metadata: MetaData) -> Table:
    """Alembic's table, written when a file is made, so that Alembic is imported only for a file that is older."""
    return Table("alembic_version", metadata, _key("version_num", Text), sqlite_strict=True, sqlite_with_rowid=False)


# --- journal.db

journal_words = _words(journal)
journal_commands = _commands(journal)
journal_revision = _revision(journal)

marks = _table(journal, "marks", _key("name", Text), *_columns(BIG, "value"))  # partitions

entries = _table(
    journal,
    "entries",
    _key("position", BIG),
    *_columns(BIG, "received", "partition", "listener", "peer", "port", "charset", "kind", "answer", "flags"),
    *_columns(BIG, "encoding"),  # of body: 0 as it came, 1 zstd
    Column("h", BIG),  # 64 bits of sha256(listener, MSH-3, MSH-4, MSH-10); NULL = never a duplicate
    *_columns(LargeBinary, "sha256", "body"),  # body last: reading the others never follows its overflow pages
    rowid=True,
)
# of no use, and of no size, where there is one partition
Index(
    "entries_partition",
    entries.c.partition,
    entries.c.position,
    sqlite_where=text("partition > 0"),
    postgresql_where=text("partition > 0"),
)
# what persons let through, read when the file is opened
Index("entries_released", entries.c.h, sqlite_where=text("kind = 2"), postgresql_where=text("kind = 2"))

dedupe = _table(journal, "dedupe", *(_key(name, BIG) for name in ("run", "h", "n")))  # engine.store.dedupe
dedupe_runs = _table(
    journal,
    "dedupe_runs",
    _key("run", BIG),
    *_columns(BIG, "last", "newest"),  # last position in the run, newest received time
    *_columns(LargeBinary, "plane"),
    rowid=True,
)

lanes = _table(
    journal,
    "lanes",
    _key("id", BIG),
    *_columns(Text, "destination"),
    *_columns(BIG, "lane", "done", "epoch", "state"),
    *_columns(Text, "reason"),
    *_columns(BIG, "tries", "next_try", "since"),
    rowid=True,
)
Index("lanes_place", lanes.c.destination, lanes.c.lane, unique=True)

attempts = _table(
    journal,
    "attempts",
    _number(),
    *_columns(BIG, "lane", "seq", "at", "decision", "answer"),  # lane: lanes.id, answer: words.id
    rowid=True,
)
Index("attempts_row", attempts.c.lane, attempts.c.seq)

parked = _table(
    journal,
    "parked",
    _key("lane", BIG),
    _key("seq", BIG),
    *_columns(Text, "key"),
    *_columns(BIG, "at", "released"),
)

# rows that a person skipped before their lane came to them
skips = _table(journal, "skips", _key("lane", BIG), _key("seq", BIG))

# rows that must be looked at before they leave, and that a person let go
approvals = _table(journal, "approvals", _key("lane", BIG), _key("seq", BIG))

# --- store.db

store_words = _words(store)
store_commands = _commands(store)
store_revision = _revision(store)

# columns in the order of engine.patient.fact.Fact; the primary key keeps a patient's facts on neighbouring pages
facts = _table(
    store,
    "facts",
    _key("patient", Text),
    *(_key(name, BIG) for name in ("entry", "run", "ordinal")),
    _key("kind", Text),
    *_columns(Text, "concept", "code", "system", "text"),
    Column("value", REAL),
    *_columns(Text, "comparator", "value_text", "unit", "reference", "flag", "status", "certainty"),
    *_columns(BIG, "observed", "ended", "version", "received"),
    *_columns(Text, "visit", "key", "path", "source", "quote"),
)
snapshots = _table(
    store, "snapshots", *(_key(name, Text) for name in ("patient", "kind", "scope")), *_columns(LargeBinary, "digest")
)

identity = _table(
    store,
    "identity",
    *(_key(name, BIG) for name in ("entry", "run", "ordinal")),
    *_columns(Text, "event", "a", "b"),
    *_columns(BIG, "received"),
)
Index("identity_a", identity.c.a)
Index("identity_b", identity.c.b)

# columns in the order of engine.order.order.Order
orders = _table(
    store,
    "orders",
    _key("number", Text),
    *_columns(Text, "patient", "accession", "placer", "filler", "visit", "control", "order_status", "state"),
    *_columns(Text, "code", "text", "modality", "region", "contrast"),
    *_columns(BIG, "scheduled", "entry", "received"),
    *_columns(Text, "listener"),
)

# channel, step ... configuration: words.id
outcomes = _table(
    store,
    "outcomes",
    *(_key(name, BIG) for name in ("entry", "channel", "run")),
    *_columns(BIG, "status", "step", "path", "reason", "enrichment", "flags", "alerts", "configuration", "committed"),
)
Index("outcomes_failed", outcomes.c.entry, sqlite_where=text("status = 3"), postgresql_where=text("status = 3"))

notes = _table(
    store,
    "notes",
    _number(),
    *_columns(BIG, "entry", "channel", "run", "cause", "kind"),
    *_columns(Text, "text"),
    rowid=True,
)
Index("notes_entry", notes.c.entry)

search_keys = _table(store, "search_keys", _key("kind", BIG), _key("value", Text), _key("entry", BIG))

outbox_tail = _table(
    store, "outbox_tail", _key("id", BIG), *_columns(Text, "destination"), *_columns(BIG, "lane", "tail"), rowid=True
)
Index("outbox_tail_place", outbox_tail.c.destination, outbox_tail.c.lane, unique=True)

SEQ_BITS = 40  # outbox.place = outbox_tail.id << SEQ_BITS | seq: a lane's rows are neighbours, without a second index
outbox = _table(
    store,
    "outbox",
    _key("place", BIG),
    *_columns(BIG, "entry", "channel", "run", "supersedes", "configuration", "created", "encoding"),
    *_columns(Text, "key", "control_id", "order_number"),
    *_columns(LargeBinary, "body"),
    Column("hold", Text, nullable=False, server_default=text("''")),
    Column("behind", Text, nullable=False, server_default=text("''")),  # "1000:5 3:17": lanes and their tails then
    rowid=True,
)
Index("outbox_entry", outbox.c.entry)

order_lanes = _table(store, "order_lanes", _key("number", Text), _key("destination", Text), *_columns(BIG, "lane"))

synopses = _table(
    store,
    "synopses",
    _number(),
    *_columns(Text, "order_number"),
    *_columns(BIG, "entry", "encoding"),
    *_columns(LargeBinary, "body"),  # JSON
    rowid=True,
)
Index("synopses_order", synopses.c.order_number, synopses.c.entry, unique=True)

deferred = _table(
    store,
    "deferred",
    _number(),
    *_columns(BIG, "entry"),
    *_columns(Text, "channel", "job"),
    *_columns(LargeBinary, "body"),
    *_columns(Text, "charset", "options"),
    *_columns(BIG, "tries"),
    rowid=True,
    sqlite_autoincrement=True,  # a job's number is never given again, so that a late "done" hits nobody else
)

coverage = _table(store, "coverage", _key("kind", Text), _key("authority", Text), *_columns(BIG, "first", "last"))
cursors = _table(
    store,
    "cursors",
    _key("name", Text),
    _key("partition", BIG),
    *_columns(BIG, "position"),
    *_columns(Text, "state", "reason"),
    *_columns(BIG, "failures"),
)
switches = _table(store, "switches", _key("name", Text), *_columns(Text, "value"))
totals = _table(store, "totals", _key("name", Text), *_columns(BIG, "value"))
