"""The shipped site with its samples processed in memory, and ways to run the command."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.channel import process as processing
from engine.channel.ports import Attempt, Decision, Kind, Lane, Received
from engine.channel.site import Site, load_site
from engine.cli import main
from engine.cli.site import Readers
from engine.store import MemoryJournal, MemoryStore

ROOT = Path(__file__).parents[2]
SAMPLES = (
    *(("adt", "adt_a01_doe"), ("lab", "oru_egfr_31"), ("lab", "oru_egfr_24"), ("lab", "oru_weight")),
    *(("pharmacy", "rde_metformin"), ("documents", "mdm_t02"), ("ris", "orm_ct_abdomen")),
)
START = 1_787_227_200_000_000  # 2026-08-20 12:00 UTC, when the first sample arrives


def sample(name: str) -> bytes:
    """A shipped sample as it would travel."""
    return (ROOT / "channels" / "samples" / f"{name}.hl7").read_bytes().replace(b"\n", b"\r")


def received(listener: str, body: bytes, at: int, kind: Kind = Kind.MESSAGE) -> Received:
    """A frame as receive would judge it."""
    answer = "AA" if kind is Kind.MESSAGE else "AR|100|"
    return Received(listener, "127.0.0.1:4000", at, body, "utf-8", kind, answer, "", b"")


def run_worker(site: Site, store: MemoryStore, journal: MemoryJournal) -> None:
    """Process everything that waits."""
    state = processing.load(site, store, journal, "test")
    clock = iter(range(START, START * 2))
    while processing.process(state, journal, store, now=lambda: next(clock), elapsed=time.perf_counter).entries:
        pass


@pytest.fixture(scope="session")
def shipped() -> Site:
    """The site at the root of the checkout."""
    loaded = load_site(ROOT)
    assert loaded.site is not None, loaded.findings
    return loaded.site


@pytest.fixture
def readers(shipped: Site) -> Readers:
    """Seven samples processed, an eighth refused, a ninth not reached by the worker; the order was sent at second try."""
    journal, store = MemoryJournal(), MemoryStore()
    with journal.transaction() as tx:
        tx.log.append([received(listener, sample(name), START + n) for n, (listener, name) in enumerate(SAMPLES)])
        tx.log.append([received("lab", b"no HL7 at all", START + 10, Kind.QUARANTINED)])
    run_worker(shipped, store, journal)
    with journal.transaction() as tx:
        late = sample("oru_egfr_24").replace(b"SYN", b"LATE")
        tx.log.append([received("lab", late, START + 20)])
        waiting = Lane("pacs", 0, tries=1, next_try=START + 60)
        tx.wire.record(Attempt("pacs", 0, 1, START + 30, Decision.RETRY, "no answer for 30 s"), waiting)
        tx.wire.record(Attempt("pacs", 0, 1, START + 40, Decision.SENT, "AA"), Lane("pacs", 0, done=1))
    return Readers(journal, store)


@pytest.fixture
def another_order(readers: Readers, shipped: Site) -> Callable[[str], None]:
    """Receive and process the sample order again under another accession."""

    def order(accession: str) -> None:
        body = sample("orm_ct_abdomen").replace(b"ACC1", accession.encode()).replace(b"SYN0006", accession.encode())
        with readers.journal.transaction() as tx:
            tx.log.append([received("ris", body, START + 100)])
        run_worker(shipped, readers.store, readers.journal)

    return order


@pytest.fixture
def backstory(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process; gives exit status, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return run


@pytest.fixture
def site_folder(tmp_path: Path) -> Path:
    """A site of its own: only a config.yaml, and a data folder with nothing in it."""
    (tmp_path / "config.yaml").write_text("data: data\nlisteners:\n  lab: {port: 0}\n", encoding="utf-8")
    (tmp_path / "data").mkdir()
    return tmp_path
