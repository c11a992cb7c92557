"""Every message of the corpus through the running engine with the shipped channels: answers, outcomes, orders, and why.

What came out is printed (pytest -s), and docs/corpus.md says the same with an explanation beside every count.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

import pytest

from engine.channel.ports import Kind
from engine.hl7.message import Message
from tests.corpus import explained
from tests.corpus.asked import hospital, low_egfr, risen_creatinine
from tests.corpus.frames import batch_members, frames, is_batch
from tests.corpus.labels import FAILED, FILTERED, ORDERS, TRANSFORMED, Labels
from tests.corpus.outcomes import BEGIN, END, PAGE, THEN, page, run_everything, run_hospital, shown_rules, tables
from tests.corpus.through_engine import Run, Sent
from tests.corpus_files import corpus_files, needs_corpus

pytestmark = [pytest.mark.corpus, needs_corpus]

# what the clock's hook makes of a run that takes longer than a minute is no error of the engine
EXPECTED_ERRORS = {"EntryFailed", "AlertRaised", "ClockJumped"}
ADDED = (b"NTE", b"OBX", b"AL1")
STAMPED = ("MSH-5", "MSH-10", "MSH-15", "MSH-16")


@pytest.fixture(scope="module")
def everything(tmp_path_factory) -> Run:
    return run_everything(tmp_path_factory.mktemp("everything"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Run:
    return run_hospital(tmp_path_factory.mktemp("simulated"))


@pytest.fixture(scope="module")
def runs(everything: Run, simulated: Run) -> tuple[Run, Run]:
    return everything, simulated


def test_every_message_is_answered_as_it_must_be(runs: tuple[Run, Run]) -> None:
    """As D16 says, in the mode the sender asked for, with its control id; or not at all, where it asked for that."""
    for run in runs:
        assert [sent for sent in run.sent if sent.answer != sent.frame.answer] == []
        assert [sent for sent in run.sent if not _answers(sent)] == []
    assert sum(not sent.answer for sent in runs[0].sent) > 123


def test_every_message_is_in_the_journal_once_with_its_bytes(runs: tuple[Run, Run]) -> None:
    """One entry for each, of a batch for each member; the same message to the same listener again is none."""
    for run in runs:
        parts = {(sent.frame.listener, part) for sent in run.sent for part in _parts(sent)}
        assert Counter((entry.listener, entry.body) for entry in run.entries.values()) == Counter(parts)


def test_every_entry_has_its_outcome_and_all_are_accounted_for(runs: tuple[Run, Run]) -> None:
    """FILTERED, TRANSFORMED or FAILED, once: no two shipped channels share a listener."""
    for run in runs:
        assert [row.entry for row in run.outcomes] == sorted(run.entries)
        statuses = Counter(row.status for row in run.outcomes)
        labels = Labels(run)
        refused = labels.refused.total()
        assert statuses[FAILED] == refused + labels.failed.total()
        assert statuses[FILTERED] == labels.filtered.total()
        taken = labels.channels.total() - labels.filtered.total() - labels.failed.total()
        assert statuses[TRANSFORMED] == taken
        assert refused == sum(sent.frame.verdict != "AA" for sent in run.sent)


def test_nothing_crashes(runs: tuple[Run, Run]) -> None:
    """No surprise, no error but entries that FAILED, no alert but of orders, no restart, nothing on stderr."""
    for run in runs:
        assert {event["event"] for event in run.events if event["level"] == "error"} <= EXPECTED_ERRORS
        failed = [row for row in run.outcomes if row.status == FAILED and run.entries[row.entry].kind is Kind.MESSAGE]
        assert sum(event["event"] == "EntryFailed" for event in run.events) == len(failed)
        assert [row for row in run.outcomes if "surprise" in row.reason or not (row.reason or row.channel)] == []
        alerted = {(row.channel, row.alerts) for row in run.outcomes if row.alerts}
        # publishers of samples gave 12345^^^HOSPITAL^MR to several people, so orders of it are in doubt (D13b)
        assert alerted <= {("orders_to_pacs", "not_sent"), ("orders_to_pacs", "identity_in_doubt")}
        assert all((row.status == FAILED) == (row.alerts == "not_sent") for row in run.outcomes if row.alerts)
        assert run.same_processes
        assert run.said == ""


def test_every_surprise_is_explained_and_every_explanation_needed(everything: Run, simulated: Run) -> None:
    """A reason, type, flag or segment that is not in the list fails, and so does one that no longer occurs."""
    labels = Labels(everything)
    _agree(labels.refused, explained.REFUSED)
    _agree(labels.failed, explained.FAILED)
    _agree(labels.filtered, explained.FILTERED)
    _agree(labels.nothing_kept, explained.NOTHING_KEPT)
    _agree(labels.statuses, explained.STATUSES)
    _agree(labels.unread, explained.UNREAD)
    _agree([label for label in labels.enriched if label != "done"], explained.ENRICHED)
    _agree(labels.flags, explained.FLAGS)
    _agree(shown_rules(simulated), explained.ASKED)


def test_every_order_leaves_once_and_in_order(runs: tuple[Run, Run]) -> None:
    """D1: what the order channel took is at the PACS, in the order it came; none fails."""
    for run in runs:
        rows = [row for row in run.outcomes if row.channel == ORDERS]
        assert rows
        assert {row.status for row in rows} == {TRANSFORMED}
        assert [queued.entry for queued in run.queued] == [row.entry for row in rows]
        assert list(run.arrived) == [queued.body for queued in run.queued]


def test_orders_leave_byte_for_byte_but_for_what_enrichment_adds(runs: tuple[Run, Run]) -> None:
    """MSH-5, MSH-10, MSH-15 and 16 (emptied), and MSH-18 of what is not ASCII; where it was enriched OBR-13 and whole NTE, OBX and AL1; nothing else."""
    for run in runs:
        enriched = {row.entry for row in run.outcomes if row.enrichment == "done"}
        for queued in run.queued:
            came = run.entries[queued.entry].body
            changes = _changes(came, queued.body)
            if not came.isascii():
                changes -= {"MSH-18"}  # a set that the sender did not name is named
            assert changes <= ({*STAMPED, "OBR-13", *_names(ADDED)} if queued.entry in enriched else {*STAMPED})
            assert (queued.entry in enriched) == bool(changes & {"OBR-13", *_names(ADDED)})


def test_orders_are_enriched_with_what_the_messages_said(simulated: Run) -> None:
    """Of the simulated hospital: who has a risen creatinine or a low eGFR is told by reading its bytes here as well."""
    sent = hospital(frames(corpus_files()))
    shown: dict[str, set[str]] = {}
    for message in simulated.arrived:
        text = message.decode("ascii")
        for rule in re.findall(r"\b(R\d\d)\]", text):
            shown.setdefault(rule, set()).add(_patient(text))
        if "SAFETY: eGFR" in text:
            shown.setdefault("eGFR", set()).add(_patient(text))
    here = (THEN - timedelta(hours=5)).replace(tzinfo=None)  # in the hospital's time zone
    risen, low = risen_creatinine(sent, here), low_egfr(sent)
    assert shown["R03"] == risen
    assert shown["eGFR"] == low
    assert min(len(risen), len(low)) > 10
    assert sum(row.enrichment == "done" for row in simulated.outcomes) > 500


def test_the_page_says_what_came_out(everything: Run, simulated: Run) -> None:
    """docs/corpus.md holds these tables; `python -m tests.corpus.outcomes --write` puts new ones there."""
    found = tables(everything, simulated)
    print(f"\n{found}")
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    assert page(text, found) == text


@pytest.mark.parametrize(
    ("left", "changes"),
    [
        ("MSH|^~\\&|A|B|C\rOBR|1|P\rZDS|x^y\r", set()),
        ("MSH|^~\\&|A|B|PACS\rOBR|1|P\rZDS|x^y\r", {"MSH-5"}),
        ("MSH|^~\\&|A|B|C\rOBR|1|P\rNTE|1||n\rZDS|x^y\r", {"NTE"}),
        ("MSH|^~\\&|A|B|C\rOBR|1|P|||\rZDS|x^y\r", {"OBR-2", "OBR-5"}),
        ("MSH|^~\\&|A|B|C\rOBR|1|P\rZDS|x\r", {"ZDS-1"}),
        ("MSH|^~\\&|A|B|C\rOBR|1|P\n\rZDS|x^y\r", {"OBR-2"}),
        ("MSH|^~\\&|A|B|C\rOBR|1|P\r", {"?"}),
        ("MSH|^~\\&|A|B|C\rZDS|x^y\rOBR|1|P\r", {"?"}),
    ],
)
def test_the_comparison_sees_every_byte(left: str, changes: set[str]) -> None:
    """The control of the test above: a moved segment, a lost one, another line end."""
    came = b"MSH|^~\\&|A|B|C\rOBR|1|P\rZDS|x^y\r"
    assert _changes(came, left.encode()) == changes


def _answers(sent: Sent) -> bool:
    """Whether MSA-2 is the control id of the message, or nothing was answered; what has no readable header has none."""
    if not sent.answer or sent.frame.verdict in {"AR 100", "AE 100"}:
        return True
    if is_batch(sent.frame.body):
        return sent.control_id in sent.frame.body.decode("ascii")
    if sent.frame.verdict == "AR 102":  # told where it needs no guessing
        return sent.control_id.encode("ascii") in sent.frame.body.split(b"|PID")[0]
    header = Message.parse(sent.frame.body, "latin-1").segments[0]
    return sent.control_id == (header.raw_field(10) or b"").decode("latin-1")


def _parts(sent: Sent) -> list[bytes]:
    split = is_batch(sent.frame.body) and sent.frame.verdict == "AA"
    return batch_members(sent.frame.body) if split else [sent.frame.body]


def _agree(found: Iterable[str], reasons: Mapping[str, str]) -> None:
    assert set(found) == set(reasons)


def _names(segments: Iterable[bytes]) -> set[str]:
    return {name.decode() for name in segments}


def _changes(came: bytes, left: bytes) -> set[str]:
    """What differs, by splitting bytes: fields by name, whole segments that were added by theirs; "?" for anything else."""
    changes: set[str] = set()
    rest = re.findall(rb"[^\r\n]*[\r\n]*", left)
    for line in re.findall(rb"[^\r\n]*[\r\n]*", came):
        while rest and rest[0] != line and rest[0][:3] in ADDED:
            changes.add(rest.pop(0)[:3].decode())
        changes |= _fields(line, rest.pop(0)) if rest else {"?"}
    return changes | {"?"} if any(rest) else changes


def _fields(came: bytes, left: bytes) -> set[str]:
    if came == left:
        return set()
    came, left = (line.removeprefix(b"\xef\xbb\xbf") for line in (came, left))
    if came[:4] != left[:4] or len(came) < 4:
        return {"?"}
    if came[:3] == b"MSH" and came[len(came.rstrip(b"\r\n")) :] == left[len(left.rstrip(b"\r\n")) :]:
        came, left = came.rstrip(b"\r\n"), left.rstrip(b"\r\n")
    name, offset = came[:3].decode("latin-1"), 1 if came[:3] == b"MSH" else 0
    before, after = came.split(came[3:4]), left.split(came[3:4])
    length = max(len(before), len(after))
    before, after = ([*fields, *[b""] * (length - len(fields))] for fields in (before, after))
    return {f"{name}-{at + offset}" for at in range(length) if before[at] != after[at]}


def _patient(message: str) -> str:
    return message.partition("\rPID|")[2].split("|")[2].partition("^")[0]
