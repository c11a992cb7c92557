"""The outcomes of the corpus as tables for docs/corpus.md.

    python -m tests.corpus.outcomes            # print them
    python -m tests.corpus.outcomes --write    # put them into docs/corpus.md

It takes as long as the test does, a quarter of a minute.
"""

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.corpus import explained
from tests.corpus.asked import asked_orders, hospital
from tests.corpus.frames import batch_members, frames, is_batch
from tests.corpus.labels import ORDERS, Labels
from tests.corpus.through_engine import Run, through_engine
from tests.corpus_files import ARCHIVE, REASON, corpus_files
from tests.e2e.engine_process import ROOT

PAGE = ROOT / "docs" / "corpus.md"
BEGIN, END = "<!-- outcomes: made by tests/corpus/outcomes.py -->", "<!-- end of outcomes -->"
NOW = datetime(2026, 8, 20, 14, tzinfo=UTC)  # after all but a few of the messages
THEN = datetime(2020, 5, 9, 1, tzinfo=UTC)  # the evening of the simulated hospital's last day, 20:00 in its time zone

Row = Sequence[object]


def run_everything(folder: Path) -> Run:
    """Every message of the corpus, at NOW."""
    return through_engine(folder, frames(corpus_files()), _microseconds(NOW))


def run_hospital(folder: Path) -> Run:
    """The simulated hospital at THEN, and the orders that are asked for its patients."""
    sent = hospital(frames(corpus_files()))
    return through_engine(folder, [*sent, *asked_orders(sent)], _microseconds(THEN))


def tables(everything: Run, simulated: Run) -> str:
    """All tables, in Markdown."""
    labels = Labels(everything)
    parts = [
        "### What was sent, and answered\n",
        _table(("sent", "count"), _sent(everything)),
        _table(("answer", "frames"), _answers(everything)),
        "### Refused, and kept in quarantine\n",
        _explained("refused", labels.refused, explained.REFUSED),
        "### What the channels made of the rest\n",
        _table(("channel", "FILTERED", "TRANSFORMED", "FAILED"), _channels(labels)),
        "### FILTERED: no shipped channel accepts it\n",
        _explained("type", labels.filtered, explained.FILTERED),
        "### FAILED, by reason\n",
        _explained("reason", labels.failed, explained.FAILED),
        "### Facts stored\n",
        _table(
            ("kind", "facts", "with a concept", "identifiers"), ((kind, *row) for kind, row in labels.kinds.items())
        ),
        _explained("status that is none", labels.statuses, explained.STATUSES),
        f"{everything.links} links between numbers that one PID lists together.\n",
        "### TRANSFORMED, and no fact added\n",
        _explained("message", labels.nothing_kept, explained.NOTHING_KEPT),
        "### Said, and not read\n",
        _explained("segment", labels.unread, explained.UNREAD),
        "### Orders\n",
        _table(("orders", "count"), _orders(everything, labels)),
        _explained("not enriched", _not_enriched(labels), explained.ENRICHED),
        "### Flags\n",
        _explained("flag", labels.flags, explained.FLAGS),
        "### Orders asked for the patients of the simulated hospital, in its own time\n",
        _table(("orders", "count"), _asked(simulated)),
        _explained("rule", shown_rules(simulated), explained.ASKED),
    ]
    return "\n".join(parts)


def shown_rules(run: Run) -> Counter[str]:
    """Orders at the PACS by each rule that their note names; `nothing` without a note."""
    found: Counter[str] = Counter()
    for message in run.arrived:
        found.update(set(re.findall(r"\b(R\d\d)\]", message.decode())) or {"nothing"})
    return found


def headlines(run: Run) -> Counter[str]:
    """Orders by the first word of what was written into OBR-13."""
    words = (re.search(rb"\rOBR(?:\|[^|\r]*){12}\|!?(\w+)[^|\r]*<EMR>", message) for message in run.arrived)
    return Counter(word[1].decode() for word in words if word)


def page(text: str, tables_now: str) -> str:
    """The page with these tables between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables_now}\n{END}{after}"


def duplicates(run: Run) -> int:
    return sum(event["event"] == "DuplicateReceived" for event in run.events)


def _sent(run: Run) -> Iterator[Row]:
    split = Counter(sent.frame.name.partition("#")[0] for sent in run.sent if "#" in sent.frame.name)
    batches = [sent.frame for sent in run.sent if is_batch(sent.frame.body)]
    files = {sent.frame.name.partition("#")[0] for sent in run.sent}
    yield "files of the corpus", len(files)
    yield "of these, files of several messages, sent one by one", f"{len(split)} with {split.total()}"
    yield (
        "of these, batches, sent as one frame",
        f"{len(batches)} with {sum(len(batch_members(one.body)) for one in batches)}",
    )
    yield "frames", len(run.sent)
    yield "duplicates, answered as the first time and not kept again", duplicates(run)
    yield "control ids used again for another message, which is kept", run.reused
    yield "entries in the journal", len(run.entries)


def _answers(run: Run) -> Iterator[Row]:
    answers = Counter(
        sent.answer or ("none, as asked" if sent.frame.verdict == "AA" else f"none, as asked ({sent.frame.verdict})")
        for sent in run.sent
    )
    yield from sorted(answers.items(), key=lambda item: (-item[1], item[0]))


def _channels(labels: Labels) -> Iterator[Row]:
    names = sorted({channel for channel, _ in labels.channels})
    for name in names:
        yield name or "none", *(labels.channels[name, status] or "" for status in ("FILTERED", "TRANSFORMED", "FAILED"))
    statuses = ("FILTERED", "TRANSFORMED", "FAILED")
    yield (
        "together",
        *(sum(count for (_, one), count in labels.channels.items() if one == status) for status in statuses),
    )


def _orders(run: Run, labels: Labels) -> Iterator[Row]:
    yield f"messages that {ORDERS} took", labels.enriched.total()
    yield "delivered to the PACS", len(run.arrived)
    yield "imaging orders kept, by number", len(run.orders)
    yield "enriched", labels.enriched["done"]


def _not_enriched(labels: Labels) -> Counter[str]:
    return Counter({label: count for label, count in labels.enriched.items() if label != "done"})


def _asked(run: Run) -> Iterator[Row]:
    labels = Labels(run)
    written = headlines(run)
    yield "asked, each exam for each patient", labels.enriched.total()
    yield "delivered to the PACS", len(run.arrived)
    yield "enriched", labels.enriched["done"]
    for word, count in sorted(written.items()):
        yield f"with {word} in front of OBR-13", count


def _explained(head: str, found: Counter[str], reasons: Mapping[str, str]) -> str:
    rows = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return _table((head, "count", "why"), ((label, count, reasons.get(label, "?")) for label, count in rows))


def _table(head: Sequence[str], rows: Iterable[Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def main(arguments: Sequence[str]) -> int:
    """Run both and print or write."""
    if not ARCHIVE.exists():
        print(REASON, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        text = tables(run_everything(Path(one)), run_hospital(Path(other)))
    if "--write" in arguments:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
