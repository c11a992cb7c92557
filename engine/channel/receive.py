"""The first transaction: what came in goes into the journal, and only then is the sender answered (D16)."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from engine.channel import batch_answer
from engine.channel.examine import examine
from engine.channel.limits import batch_exceeded
from engine.channel.ports import BATCH, Appended, JournalTransaction, Kind, Received
from engine.channel.verdict import ListenerRules, Verdict
from engine.errors import Unreadable
from engine.hl7.acknowledge import ERRORS, AckError, acknowledge
from engine.hl7.batch import has_headers, is_batch, split_batch
from engine.hl7.msh import Msh, damage, scan_msh
from engine.hl7.transcode import answer_in
from engine.mllp.framing import KEPT_BYTES, Framed, FrameEvent, frame

__all__ = ["Answer", "Judged", "ListenerRules", "judge", "receive", "sender_identity"]

NOT_KEPT = "AR|207|"
_UNANSWERED = frozenset({Framed.CUT, Framed.WIDE})
_NEVER_ANSWERED = frozenset({"cut_off", "utf_16"})  # their flags
_GOOD = frozenset({"AA", "CA"})


class Judged(NamedTuple):
    """A frame on its way into the journal, and the answer it will get once it is there."""

    received: tuple[Received, ...]  # one entry; a batch has one for each of its messages
    reply: bytes  # framed; empty when none is wanted
    msh: Msh | None
    now: int

    def __repr__(self) -> str:
        return f"Judged({len(self.received)} entries, {self.received[0].answer!r})"

    def answer(self, appended: Sequence[Appended]) -> bytes:
        """The framed answer: what was decided, or for a duplicate what was answered the first time.

        What was accepted then, perhaps in a frame with others, is accepted as this frame asks.
        """
        before, kind = appended[0].answer, self.received[0].kind
        if len(appended) > 1 or kind is Kind.MESSAGE or before == self.received[0].answer:
            return self.reply
        return _frame_answer(_asked("AA", self.msh) if before in _GOOD else before, self.msh, self.now)

    def refusal(self) -> bytes:
        """The framed answer when the journal could not keep it: AR 207, or CR; the sender will send it again."""
        if self.received[0].flags in _NEVER_ANSWERED:
            return b""
        return _frame_answer(_asked(NOT_KEPT, self.msh), self.msh, self.now)


class Answer(NamedTuple):
    """What the sender gets and where its frame went (for a batch: where its first message went)."""

    reply: bytes  # framed; empty when none is wanted
    entry: int
    duplicate: bool = False
    control_id_reused: bool = False

    def __repr__(self) -> str:
        return f"Answer(entry {self.entry}, {len(self.reply)} bytes)"


def _go_on() -> None:
    """Between two messages of a batch: nobody has to be let in."""


def judge(event: FrameEvent, rules: ListenerRules, peer: str, now: int, between: Callable[[], None] = _go_on) -> Judged:
    """Judge a frame (not EMPTY, not JUNK); pure; `now` in UTC microseconds is its received time.

    `between` is called between messages of a batch, so that whoever judges thousands may let others work first.
    """
    raw = event.body
    if event.kind in _UNANSWERED:
        cut = Received(rules.name, peer, now, raw[:KEPT_BYTES], "", Kind.QUARANTINED, "", event.flags, b"")
        return Judged((cut,), b"", None, now)
    if event.kind is Framed.FRAME and is_batch(raw):
        return _judge_batch(event, rules, peer, now, between)
    if event.kind is Framed.TOO_LONG and has_headers(raw):
        return _judged(event, rules.name, peer, (_of_long_batch(raw, rules), Verdict("AR", "104"), now))
    msh = _readable(raw)
    if msh is None:
        return _judged(event, rules.name, peer, (*_unreadable(raw), now))
    if event.kind is Framed.TOO_LONG:
        return _judged(event, rules.name, peer, (msh, Verdict("AR", "104"), now))
    msh, found = examine(raw, msh, rules, event.vt_at)
    return _judged(event, rules.name, peer, (msh, found, now))


def _of_long_batch(raw: bytes, rules: ListenerRules) -> Msh | None:
    """What answers a batch of which only the beginning is looked at."""
    batch = split_batch(raw[:KEPT_BYTES])
    return batch_answer.mirrored(batch, [one.msh for one in batch_answer.members(batch.messages, rules, _go_on)])


def _unreadable(raw: bytes) -> tuple[Msh | None, Verdict]:
    """AR 100, or AR 102 where an MSH is there and its delimiters cannot be used (rows 25 to 27)."""
    found = damage(raw)
    return (found.header, Verdict("AR", "102", found.location)) if found else (None, Verdict("AR", "100"))


def receive(tx: JournalTransaction, batch: Sequence[Judged]) -> list[Answer]:
    """Append the frames in order; returns their answers, to be written only after the transaction has ended."""
    appended = tx.log.append([received for judged in batch for received in judged.received])
    if len(appended) == len(batch):
        return [_answer(judged, (one,)) for judged, one in zip(batch, appended, strict=True)]
    answers = []
    at = 0
    for judged in batch:
        answers.append(_answer(judged, appended[at : at + len(judged.received)]))
        at += len(judged.received)
    return answers


def _answer(judged: Judged, appended: Sequence[Appended]) -> Answer:
    first = appended[0]
    return Answer(judged.answer(appended), first.position, first.duplicate, first.control_id_reused)


def _judged(event: FrameEvent, listener: str, peer: str, found: tuple[Msh | None, Verdict, int]) -> Judged:
    msh, result, now = found
    answer = _asked(_spelled(result), msh)
    reply = _frame_answer(answer, msh, now)
    flags = _flags(event.flags, result, answer)
    kind = Kind.MESSAGE if result.code == "AA" else Kind.QUARANTINED
    identity = sender_identity(event.body, msh)
    entry = Received(listener, peer, now, event.body, result.charset, kind, answer, flags, identity)
    return Judged((entry,), reply, msh, now)


def _spelled(result: Verdict) -> str:
    return "AA" if result.code == "AA" else f"{result.code}|{result.error}|{result.location}"


def _flags(framing: str, result: Verdict, answer: str) -> str:
    """Flags of framing and verdict; why it was refused, when no answer says so."""
    if not framing and not result.flags and answer:
        return ""
    words = [framing] * bool(framing) + list(result.flags)
    if not answer and result.code != "AA":
        words.append(f"refused_{result.code}_{result.error}")
    return " ".join(words)


def _asked(answer: str, msh: Msh | None) -> str:
    """The answer in the mode the sender asked for: C codes in enhanced mode, "" when MSH-15 wants none (C6)."""
    if msh is None or not (msh.accept or msh.application):
        return answer
    good = answer.startswith("AA")
    if msh.accept == b"NE" or (msh.accept == b"ER" and good) or (msh.accept == b"SU" and not good):
        return ""
    return f"C{answer[1:]}"


def _frame_answer(answer: str, msh: Msh | None, now: int) -> bytes:
    if not answer:
        return b""
    code, _, rest = answer.partition("|")
    number, _, location = rest.partition("|")
    error = AckError(number, location, ERRORS[number].capitalize()) if number else None
    body = acknowledge(msh, code, now=_dtm(now // 1_000_000), control_id=str(now), error=error)
    return frame(body if msh is None or not msh.codec else answer_in(body, msh.codec, msh.own_id))


@lru_cache(maxsize=8)
def _dtm(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d%H%M%S+0000")


def sender_identity(raw: bytes, msh: Msh | None) -> bytes:
    """What makes a resend a resend: sender and control id; where there is no control id, the bytes themselves (R4)."""
    if msh is not None and msh.control_id and msh.end:
        return b"\0".join((msh.app, msh.facility, msh.control_id))
    return b"\0\0\0" + hashlib.sha256(raw).digest()


def _judge_batch(event: FrameEvent, rules: ListenerRules, peer: str, now: int, between: Callable[[], None]) -> Judged:
    """One answer for the whole frame: one entry for each message, or the whole frame quarantined."""
    if batch_exceeded(event.body, rules.limits):
        return _judged(event, rules.name, peer, (_of_long_batch(event.body, rules), Verdict("AE", "104"), now))
    batch = split_batch(event.body)
    members = batch_answer.members(batch.messages, rules, between)
    mirrored = batch_answer.mirrored(batch, [one.msh for one in members])
    if event.vt_at >= 0:
        return _judged(event, rules.name, peer, (mirrored, Verdict("AE", "102"), now))
    if batch.problem or (rules.strict and not event.body.startswith((b"FHS", b"BHS"))):
        return _judged(event, rules.name, peer, (mirrored, Verdict("AE", "100"), now))
    bad = next((one.found._replace(code="AE") for one in members if one.found and one.found.code != "AA"), None)
    if bad is not None:
        return _judged(event, rules.name, peer, (mirrored, bad, now))
    answer = _asked("AA", mirrored)
    entries = tuple(
        Received(
            *(rules.name, peer, now, raw, one.charset, Kind.MESSAGE, answer),
            _flags(event.flags, one._replace(flags=(BATCH, *one.flags)), answer),
            sender_identity(raw, msh),
        )
        for raw, msh, one in members
        if one
    )
    return Judged(entries, _frame_answer(answer, mirrored, now), mirrored, now)


def _readable(raw: bytes) -> Msh | None:
    try:
        return scan_msh(raw)
    except Unreadable:
        return None
