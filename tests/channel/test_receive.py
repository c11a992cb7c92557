"""What receive keeps and answers: D16 in its lenient form, and the transaction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.channel.batch_answer import members
from engine.channel.limits import Limits
from engine.channel.ports import Appended, JournalTransaction, Kind
from engine.channel.receive import Answer, ListenerRules, judge, receive
from engine.channel.rows import Prepared
from engine.errors import Unreadable
from engine.hl7.acknowledge import read_ack
from engine.mllp.framing import KEPT_BYTES, Framed, FrameEvent
from engine.store.memory import MemoryJournal

NOW = 1_787_131_860_000_000  # 2026-08-19 09:31 UTC
RULES = ListenerRules("lab")


def msh(**fields: str) -> bytes:
    """A message of one MSH and one PID segment; `f10=""` empties MSH-10."""
    values = {"f3": "LAB", "f4": "HOSP", "f5": "BST", "f7": "20260819093100", "f9": "ADT^A01", "f10": "C1", "f11": "P"}
    values |= {"f12": "2.5.1"} | fields
    header = ["MSH", "^~\\&", *(values.get(f"f{n}", "") for n in range(3, 19))]
    return ("|".join(header).rstrip("|") + "\r" + "PID|1||123^^^HOSP^MR||DOE^JANE\r").encode()


def judged(raw: bytes, rules: ListenerRules = RULES, *, kind=Framed.FRAME, flags="", vt_at=-1):
    return judge(FrameEvent(kind, raw, flags, vt_at), rules, "10.0.0.7:1", NOW)


def unframed(reply: bytes) -> bytes:
    assert reply[:1] + reply[-2:] == b"\x0b\x1c\r"
    return reply[1:-2]


LONG = b"x" * 300
CASES = {
    "no MSH readable": (b"hello", "AR|100|"),
    "lower-case msh": (msh().lower(), "AR|100|"),
    "no MSH-9": (msh(f9=""), "AR|101|MSH^1^9"),
    "only delimiters": (b"MSH|^~\\&|", "AR|101|MSH^1^9"),
    "no MSH-10": (msh(f10=""), "AR|101|MSH^1^10"),
    "MSH-10 of 10 KB": (msh(f10="C" * 10_000), "AR|104|MSH^1^10"),
    "type unknown": (msh(f9="ZZZ^Z99"), "AR|200|MSH^1^9"),
    "type not ASCII": (msh(f9="\u00c4DT^A01"), "AR|200|MSH^1^9"),
    "event unknown": (msh(f9="ADT^A99"), "AR|201|MSH^1^9"),
    "MSH-11 T": (msh(f11="T"), "AR|202|MSH^1^11"),
    "MSH-11 D^A": (msh(f11="D^A"), "AR|202|MSH^1^11"),
    "MSH-18 unknown": (msh(f18="KLINGON"), "AR|103|MSH^1^18"),
    "bytes not in MSH-18": (msh(f18="UNICODE UTF-8") + b"NTE|1||\xff\r", "AE|102|NTE^1^3"),
    "bytes not UTF-8 for a name": (msh() + b"\xffTE|1||a\r", "AE|102|"),
    "bytes not UTF-8": (msh() + b"NTE|1||a\r" + b"NTE|2||\xff\r", "AE|102|NTE^2^3"),
    "too many segments": (msh() + b"NTE|\r" * 10_000, "AR|104|"),
    "too many segments, CRLF": (msh() + b"NTE|\r\n" * 10_000, "AR|104|"),
    "too many fields": (msh() + b"OBX" + b"|" * 1_001 + b"\r", "AR|104|"),
    "too many repetitions": (msh() + b"OBX|" + b"~" * 1_001 + b"\r", "AR|104|"),
    "too many components": (msh() + b"OBX|" + b"^" * 201 + b"\r", "AR|104|"),
    "too many subcomponents": (msh() + b"OBX|" + b"&" * 201 + b"\r", "AR|104|"),
    "a field too long": (msh() + b"OBX|" + b"x" * (4 * 1024 * 1024 + 1) + b"\r", "AR|104|"),
}


@pytest.mark.parametrize(("raw", "answer"), CASES.values(), ids=CASES)
def test_what_is_refused_is_quarantined_and_told(raw, answer):
    """Every refusal of D16: the entry is the raw bytes, the answer names code and place and never the value."""
    found = judged(raw)
    (entry,) = found.received
    assert (entry.answer, entry.kind, entry.body) == (answer, Kind.QUARANTINED, raw)
    code, number, location = answer.split("|")
    reply = unframed(found.reply)
    ack = read_ack(reply)
    assert (ack.code, ack.error_code) == (code, number)
    assert location.encode() in reply
    assert not {b"DOE", b"ZZZ", b"KLINGON"} & set(reply.replace(b"|", b"^").split(b"^"))


def test_no_msh_has_an_empty_msa_2():
    """Where there is no MSH there is nothing to repeat."""
    assert read_ack(unframed(judged(b"hello").reply)).control_id == ""


def test_accepted_messages_are_kept_as_they_came():
    """AA, the raw bytes, the codec, and who sent it as the dedupe key."""
    found = judged(msh())
    (entry,) = found.received
    assert entry[:8] == ("lab", "10.0.0.7:1", NOW, msh(), "utf-8", Kind.MESSAGE, "AA", "")
    assert entry.identity == b"LAB\0HOSP\0C1"
    ack = read_ack(unframed(found.reply))
    assert (ack.code, ack.control_id) == ("AA", "C1")


FLAGS = {
    "version unknown": (msh(f12="9.9"), "version_unknown"),
    "MSH-7 odd": (msh(f7="19 Aug 2026"), "datetime_odd"),
    "MSH-7 empty": (msh(f7=""), "datetime_odd"),
    "LF line ends": (msh().replace(b"\r", b"\n"), "lf_line_ends"),
    "CRLF line ends": (msh().replace(b"\r", b"\r\n"), "lf_line_ends"),
}


@pytest.mark.parametrize(("raw", "flag"), FLAGS.values(), ids=FLAGS)
def test_what_is_odd_is_accepted_with_a_flag(raw, flag):
    """MSH-12, MSH-7 and line ends never refuse a message."""
    (entry,) = judged(raw).received
    assert (entry.answer, entry.flags, entry.body) == ("AA", flag, raw)


def test_content_beyond_the_header_never_refuses():
    """C8: bad numbers and dates, lone escapes, control characters are for the worker to say."""
    raw = msh() + b"OBX|1|NM|x||abc\\Z\\ \\||||||||20260230\rZDS|\x00\x07\r"
    assert judged(raw).received[0].answer == "AA"


def test_an_empty_event_or_processing_id_is_accepted():
    """MSH-9 of old versions has no event; an empty MSH-11 counts as P (C42)."""
    assert judged(msh(f9="ORU")).received[0].answer == "AA"
    assert judged(msh(f11="")).received[0].answer == "AA"


def test_processing_ids_of_the_listener():
    """A listener that takes training messages takes them."""
    rules = RULES._replace(processing_ids=frozenset({b"P", b"T"}))
    assert judged(msh(f11="T"), rules).received[0].answer == "AA"
    assert judged(msh(f11="D"), rules).received[0].answer == "AR|202|MSH^1^11"


@pytest.mark.parametrize("accepted", [b"ZRD^Z01", b"ZRD"])
def test_a_local_type_that_a_channel_accepts_is_accepted(accepted):
    """Z types with `accept`: AA, flagged; without: AR 200."""
    rules = RULES._replace(accepted=frozenset({accepted}))
    (entry,) = judged(msh(f9="ZRD^Z01"), rules).received
    assert (entry.answer, entry.flags) == ("AA", "local_type")
    assert judged(msh(f9="ZRD^Z01")).received[0].answer == "AR|200|MSH^1^9"


def test_charsets():
    """MSH-18 decides; where it is empty UTF-8 if it is that, else the listener's charset, flagged."""
    latin = msh() + b"NTE|1||M\xfcller\r"
    rules = RULES._replace(charset="iso8859_1")
    (entry,) = judged(latin, rules).received
    assert (entry.answer, entry.charset, entry.flags) == ("AA", "iso8859_1", "charset_assumed")
    assert judged(latin.decode("latin-1").encode(), rules).received[0].charset == "utf-8"
    declared = msh(f18="8859/1") + b"NTE|1||M\xfcller\r"
    assert judged(declared).received[0][4:8] == ("iso8859_1", Kind.MESSAGE, "AA", "")
    assert judged(msh(f18="8859/1~UNICODE UTF-8")).received[0].charset == "iso8859_1"


def test_framing_flags_stay_with_the_entry():
    """FS inside is accepted and flagged; VT inside is AE 102 at its place."""
    assert judged(msh(), flags="fs_inside").received[0].flags == "fs_inside"
    raw = msh() + b"OBX|1|ST|x||a\x0bb\r"
    (entry,) = judged(raw, flags="vt_inside", vt_at=raw.index(b"\x0b")).received
    assert (entry.answer, entry.kind, entry.flags) == ("AE|102|OBX^1^5", Kind.QUARANTINED, "vt_inside")


def test_a_frame_that_is_too_long_is_refused_by_its_head():
    """AR 104 for the frame whose first 64 KB are kept."""
    found = judged(msh() + LONG, kind=Framed.TOO_LONG, flags="too_long")
    assert (found.received[0].answer, found.received[0].flags) == ("AR|104|", "too_long")
    assert read_ack(unframed(found.reply)).control_id == "C1"


def test_a_frame_that_was_cut_off_is_kept_and_not_answered():
    """R1: at most 64 KB in quarantine, no answer, never a duplicate of another."""
    found = judged(b"x" * 100_000, kind=Framed.CUT, flags="cut_off")
    (entry,) = found.received
    assert (len(entry.body), entry.kind, entry.answer, entry.identity) == (KEPT_BYTES, Kind.QUARANTINED, "", b"")
    assert (found.reply, found.refusal()) == (b"", b"")


ENHANCED = [
    # MSH-15, MSH-16, good, bad
    ("", "", "AA", "AR"),
    ("AL", "", "CA", "CR"),
    ("AL", "NE", "CA", "CR"),
    ("NE", "NE", None, None),
    ("NE", "AL", None, None),
    ("ER", "", None, "CR"),
    ("SU", "", "CA", None),
    ("", "AL", "CA", "CR"),
    ("", "NE", "CA", "CR"),
]


@pytest.mark.parametrize(("accept", "application", "good", "bad"), ENHANCED)
def test_enhanced_mode(accept, application, good, bad):
    """C codes where MSH-15 or 16 is valued; no answer only where MSH-15 says so (C6)."""
    found = judged(msh(f15=accept, f16=application))
    assert found.received[0].answer == (good or "")
    assert (read_ack(unframed(found.reply)).code if found.reply else None) == good
    refused = judged(msh(f15=accept, f16=application, f11="T"))
    assert refused.received[0].answer == (f"{bad}|202|MSH^1^11" if bad else "")
    assert (read_ack(unframed(refused.reply)).code if refused.reply else None) == bad
    assert refused.received[0].flags == ("" if bad else "refused_AR_202")


def test_a_content_error_in_enhanced_mode_is_ce():
    """AE becomes CE."""
    raw = msh(f15="AL", f18="UNICODE UTF-8") + b"\xff\r"
    assert judged(raw).received[0].answer == "CE|102|MSH^1^18"


def batch(*messages: bytes, count: str = "", fhs: str = "", bhs: str = "") -> bytes:
    count = count or str(len(messages))
    head = f"FHS|^~\\&|LAB|HOSP|BST|||||| {fhs}\rBHS|^~\\&|LAB|HOSP|BST||||||{bhs}\r".replace(" ", "").encode()
    return head + b"".join(messages) + f"BTS|{count}\rFTS|1\r".encode()


def test_a_batch_is_one_answer_and_an_entry_for_each_message():
    """MSA-2 is BHS-11, else FHS-11, else the first MSH-10."""
    first, second = msh(), msh(f10="C2")
    found = judged(batch(first, second, bhs="B11", fhs="F11"))
    assert [(e.body, e.kind, e.answer, e.flags) for e in found.received] == [
        (first, Kind.MESSAGE, "AA", "batch"),
        (second, Kind.MESSAGE, "AA", "batch"),
    ]
    assert [e.identity for e in found.received] == [b"LAB\0HOSP\0C1", b"LAB\0HOSP\0C2"]
    ids = [{"bhs": "B11", "fhs": "F11"}, {"fhs": "F11"}, {}]
    found_ids = [read_ack(unframed(judged(batch(first, **words)).reply)).control_id for words in ids]
    assert found_ids == ["B11", "F11", "C1"]


BAD_BATCHES = {
    "wrong count": (batch(msh(), count="2"), "AE|100|"),
    "an unreadable member": (batch(msh(), b"MSH\r"), "AE|100|"),
    "no member": (batch(), "AE|100|"),
    "a member that is refused": (batch(msh(), msh(f9="ZZZ^Z99")), "AE|200|MSH^1^9"),
    "no header that is readable": (b"FHS\rBHS\r", "AE|100|"),
}


@pytest.mark.parametrize(("raw", "answer"), BAD_BATCHES.values(), ids=BAD_BATCHES)
def test_a_bad_batch_is_quarantined_whole(raw, answer):
    """AE once, the whole frame is one quarantined entry."""
    found = judged(raw)
    assert [(e.body, e.kind, e.answer) for e in found.received] == [(raw, Kind.QUARANTINED, answer)]
    assert read_ack(unframed(found.reply)).code == "AE"


def test_a_vt_in_a_batch_refuses_it_whole():
    """The rule of VT holds for batches too."""
    raw = batch(msh() + b"NTE|\x0b\r")
    assert judged(raw, vt_at=raw.index(b"\x0b")).received[0].answer == "AE|102|"


def keep(journal: MemoryJournal, *frames):
    with journal.transaction() as tx:
        return receive(tx, frames)


def test_receive_appends_in_order_and_answers():
    """One transaction, an entry for each message, an answer for each frame."""
    journal = MemoryJournal()
    answers = keep(journal, judged(msh()), judged(batch(msh(f10="C2"), msh(f10="C3"))), judged(b"hello"))
    assert [read_ack(unframed(answer.reply)).code for answer in answers] == ["AA", "AA", "AR"]
    assert [answer.entry for answer in answers] == [1, 2, 4]
    assert [entry.kind for entry in journal.read(0, 0, 10, 10**6)] == [Kind.MESSAGE] * 3 + [Kind.QUARANTINED]


@pytest.mark.parametrize("raw", [msh(), msh(f9="ZZZ^Z99"), b"hello", msh(f10="")])
def test_a_resend_is_answered_as_the_first_time_and_adds_nothing(raw):
    """D16 and R4, for accepted and for refused frames, in one commit and in two."""
    journal = MemoryJournal()
    first, again = keep(journal, judged(raw), judged(raw))
    (later,) = keep(journal, judged(raw))
    assert (first.duplicate, again.duplicate, later.duplicate) == (False, True, True)
    assert first.reply == again.reply == later.reply
    assert journal.tails() == {0: 1}


def test_a_duplicate_gets_the_first_answer_even_when_the_rules_changed():
    """The message was accepted when it came; now that it would be refused, the resend is told what it was told."""
    journal = MemoryJournal()
    keep(journal, judged(msh(f11="T"), RULES._replace(processing_ids=frozenset({b"T"}))))
    (again,) = keep(journal, judged(msh(f11="T")))
    assert (read_ack(unframed(again.reply)).code, again.entry, again.duplicate) == ("AA", 1, True)


def test_a_duplicate_of_a_message_of_a_batch_is_answered_in_its_own_mode():
    """Also where the rules would refuse it now; what was refused keeps its answer."""
    journal = MemoryJournal()
    both = RULES._replace(processing_ids=frozenset({b"P", b"T"}))
    wanted = {"AL": "CA", "NE": "", "SU": "CA", "ER": "", "": "AA"}
    members = [msh(f10=f"D{word}", f11="T", f15=word) for word in wanted]
    keep(journal, judged(batch(*members), both))
    for rules in (both, RULES):
        answers = keep(journal, *(judged(one, rules) for one in members))
        assert [answer.duplicate for answer in answers] == [True] * 5
        assert [one.reply and read_ack(unframed(one.reply)).code for one in answers] == [
            word or b"" for word in wanted.values()
        ]
    refused = [judged(msh(f9="ZZZ^Z99", f15=word)) for word in ("", "AL", "SU")]
    assert [one.reply for one in keep(journal, *refused)] == [one.reply for one in keep(journal, *refused)]


def test_a_message_that_came_alone_does_not_change_what_its_batch_wants():
    """The answer of a frame is in the mode of the frame."""
    journal = MemoryJournal()
    keep(journal, judged(msh(f15="NE")))
    for others in ((), (msh(f10="C2"),)):
        (answer,) = keep(journal, judged(batch(msh(f15="NE"), *others, bhs="B1")))
        assert bool(answer.reply) == bool(others)


SETS = {
    "big5": ("BIG-5", "\u80b2"),
    "gb18030": ("GB 18030-2000", "\u510c\u5f7d"),
    "cp932": ("SHIFT JIS", "\u30dd\u30fc"),
    "iso2022_jp": ("~ISO IR87", "\u4e9c\u7a4d"),
}


@pytest.mark.parametrize("codec", SETS)
@pytest.mark.parametrize("header", [b"", b"BHS|^~\\&|A|B\r"])
@pytest.mark.parametrize("wish", ["", "AL", "NE"])
def test_a_batch_in_a_set_that_hides_delimiters_is_answered_as_its_first_message(codec, header, wish):
    """The names, MSA-2 and the mode are those that the message alone would be answered with."""
    word, name = SETS[codec]
    one, two = (
        f"MSH|^~\\&|{name}|F|{name}|H|20260701||ADT^A01|K{n}|P|2.5|||{wish}|||{word}\rPID|1||{n}\r".encode(codec)
        for n in (1, 2)
    )
    alone, both = judged(one), judged(header + one + two)
    assert [entry.kind for entry in both.received] == [Kind.MESSAGE] * 2
    assert both.reply == alone.reply
    assert (b"|K1" in both.reply) is (wish != "NE")
    bad = judged(header + one + two + b"BTS|3\r")
    assert bad.received[0].answer == ("" if wish == "NE" else f"{'C' if wish else 'A'}E|100|")


@pytest.mark.parametrize("codec", SETS)
def test_a_batch_id_is_read_in_the_set_of_the_messages_and_repeated_as_it_came(codec):
    """BHS has no field for a set; a name before it would hide where BHS-11 begins."""
    word, name = SETS[codec]
    one = f"MSH|^~\\&|{name}|F|||20260701||ADT^A01|K1|P|2.5||||||{word}\r".encode(codec)
    for mark, own in (("|", f"B{name}1"), ("|", "B1"), ("#", f"B{name}|1")):
        fields = ["BHS", "^~\\&", name, "F", "", "", "", "", "", "", own]
        reply = unframed(judged(mark.join(fields).encode(codec) + b"\r" + one).reply)
        assert reply.split(b"\rMSA")[1] == f"{mark}AA{mark}{own}\r".encode(codec)
        assert name.encode(codec) in reply


def test_a_batch_header_that_is_no_text_of_the_messages_set_is_read_as_bytes():
    one = "MSH|^~\\&|\u80b2|F|||20260701||ADT^A01|K1|P|2.5||||||BIG-5\r".encode("big5")
    reply = unframed(judged(b"BHS|^~\\&|\xff|F|||||||B1\r" + one).reply)
    assert reply.endswith(b"MSA|AA|B1\r")
    damaged = unframed(judged(b"BHS|^^^^|\xff|F|||||||B1\r" + one).reply)
    assert damaged.endswith(b"BIG-5\rMSA|AA|B1\r")


DAMAGED = {
    "first message": (msh(f10="D1").replace(b"^~\\&", b"^^^^") + msh(), b"|AE|D1\r"),
    "first message, nothing told": (msh(f10="D~1").replace(b"^~\\&", b"^^^^") + msh(), b"|AE|C1\r"),
    "only message": (b"BHS|^~\\&|A\r" + msh(f10="D1").replace(b"^~\\&", b"^^^^"), b"|AE|D1\r"),
    "only message, nothing told": (b"BHS|^~\\&|A\r" + msh().replace(b"|^~\\&", b"||"), b"MSH|^~\\&|||A|"),
    "header": (b"BHS|^^^^|A||||||||B1\r" + msh(), b"|AA|B1\r"),
    "header, and its id holds a delimiter of the message": (
        b"BHS|^^^^|A||||||||B#1\r" + msh().replace(b"|", b"#"),
        b"MSH|^~\\&|||||",
    ),
    "header and message": (b"BHS|^^^^|A||||||||B1\r" + msh().replace(b"^~\\&", b"^^^^"), b"|AE|B1\r"),
    "header, and no message": (b"BHS|^^^^|A||||||||B1\rBTS|0\r", b"|AE|B1\r"),
    "header without an id, and no message": (b"BHS|^^^^|A\rBTS|0\r", b"|AE|\r"),
}


@pytest.mark.parametrize(("raw", "expected"), DAMAGED.values(), ids=DAMAGED)
def test_what_can_be_told_of_damaged_delimiters_is_repeated(raw, expected):
    """Of a header and of a message; where the id would be split it is written in the standard's delimiters."""
    assert expected in unframed(judged(raw).reply)


def test_members_and_answers_show_no_content():
    assert repr(Answer(b"DOE", 7)) == "Answer(entry 7, 3 bytes)"
    (found,) = members([msh()], RULES, lambda: None)
    assert "DOE" not in repr(found)


@pytest.mark.parametrize("batch", [False, True])
def test_what_was_refused_is_taken_once_the_rules_allow_it(batch):
    """Alone or in a batch: an answer that says AA without an entry would lose it (ADR 12)."""
    journal = MemoryJournal()
    keep(journal, judged(msh(f11="T")))
    mended = RULES._replace(processing_ids=frozenset({b"T"}))
    resent = b"BHS|^~\\&|A|B|||||||B1\r" + msh(f11="T") + msh(f11="T", f10="C2") + b"BTS|2\r" if batch else msh(f11="T")
    (taken,) = keep(journal, judged(resent, mended))
    assert (read_ack(unframed(taken.reply)).code, taken.entry, taken.duplicate) == ("AA", 2, False)
    assert [entry.kind for entry in journal.read(0, 0, 9, 9999)] == [Kind.QUARANTINED, *[Kind.MESSAGE] * (1 + batch)]
    (again,) = keep(journal, judged(resent, mended))
    assert again.duplicate
    assert len(journal.read(0, 0, 9, 9999)) == 2 + batch


def test_the_same_control_id_with_another_body_is_new():
    """AA, a new entry, counted."""
    journal = MemoryJournal()
    keep(journal, judged(msh()))
    (other,) = keep(journal, judged(msh() + b"NTE|1\r"))
    assert (other.entry, other.duplicate, other.control_id_reused) == (2, False, True)


def test_a_commit_that_failed_is_refused_with_207():
    """AR 207, or CR in enhanced mode; never for a sender that wants no answer."""
    ack = read_ack(unframed(judged(msh()).refusal()))
    assert (ack.code, ack.error_code) == ("AR", "207")
    assert read_ack(unframed(judged(msh(f15="ER")).refusal())).code == "CR"
    assert judged(msh(f15="NE")).refusal() == b""


def test_limits_can_be_raised():
    """The limits belong to the listener."""
    raw = msh() + b"NTE|\r" * 20_000
    assert judged(raw, RULES._replace(limits=Limits(segments=30_000))).received[0].answer == "AA"


def test_many_fields_in_all_but_few_in_each_segment_pass():
    """The limits hold for each segment and field, not for the message."""
    raw = msh() + b"".join(b"OBX|%d|CE|a^b^c~d^e&f||||||||||\r" % n for n in range(1_000))
    assert judged(raw).received[0].answer == "AA"


def test_reprs_show_no_content():
    """Nothing that holds a message shows it."""
    found = judged(msh())
    shown = repr(found) + repr(found.received) + repr(found.msh)
    assert "DOE" not in shown
    assert "LAB" not in shown


class _Log:
    def append(self, batch):
        return [Appended(1, duplicate=False, answer=received.answer) for received in batch]


@given(st.binary(max_size=300), st.sampled_from([Framed.FRAME, Framed.TOO_LONG, Framed.CUT]))
def test_judge_never_raises_and_answers_what_it_keeps(raw, kind):
    """Whatever the bytes are: one entry at least, and an answer that can be read unless none is due."""
    head = b"MSH|^~\\&|A|B|C|D|20260819||ADT^A01|"
    heads = (b"", head, b"FHS|^~\\&|", b"MSH", b"MSH|^^\\&|A|B|C|D|20260819||ADT^A01|")
    for body, strict in ((head + raw or b"x", strict) for head in heads for strict in (False, True)):
        found = judged(body, RULES._replace(strict=strict), kind=kind)
        (answer,) = receive(JournalTransaction(_Log(), None), [found])
        if kind is Framed.CUT:
            assert answer.reply == b""
        elif answer.reply:
            try:
                assert read_ack(unframed(answer.reply)).code in {"AA", "AE", "AR", "CA", "CE", "CR"}
            except Unreadable:
                pytest.fail("the answer cannot be read")


@given(
    st.binary(max_size=60),
    st.sampled_from([b"|^~\\&", b"|^^\\&", b"#@*!%", b"|||||", b"^~|&\\"]),
    st.binary(max_size=9),
)
def test_an_answer_is_one_frame_of_whole_segments(control_id, marks, version):
    """Whatever MSH-10, MSH-12 and the delimiters are: MSH, MSA and at most ERR, and no byte that ends a frame or segment."""
    separator = marks[:1]
    fields = [marks[1:], b"A", b"B", b"C", b"D", b"20260819", b"", b"ZZZ", control_id, b"T", version]
    found = judged(b"MSH" + separator + separator.join(fields) + b"\r", RULES._replace(strict=True))
    body = unframed(found.reply)
    assert not {0x0B, 0x1C, 0x0A} & set(body)
    names = [line[:3] for line in body.split(b"\r")]
    assert names in ([b"MSH", b"MSA", b""], [b"MSH", b"MSA", b"ERR", b""])


def test_an_escape_is_no_oddity_where_a_character_set_is_switched_by_it():
    """ISO 2022 in MSH-18; a bell beside it is."""
    switched = msh(f18="8859/1~ISO IR87")
    assert judged(switched + b"NTE|1||\x1b$B$3\x1b(B\r").received[0].flags == ""
    assert judged(switched + b"NTE|1||\x1b$B$3\x1b(B\x07\r").received[0].flags == "control_characters"
    assert judged(msh(f18="8859/1") + b"NTE|1||\x1b$B\r").received[0].flags == "control_characters"


@pytest.mark.parametrize("moment", ["00000101", "20260431", "20260819240000", "202608190960"])
def test_a_time_of_no_calendar_is_odd(moment):
    """MSH-7, AA and a flag; 29 February of a leap year and second 60 are times."""
    assert judged(msh(f7=moment)).received[0].flags == "datetime_odd"
    assert judged(msh(f7="20240229235960")).received[0].flags == ""


def test_a_frame_of_two_bytes_a_character_is_kept_and_not_answered():
    """Also when it cannot be kept."""
    found = judged(b"\0M\0S\0H", kind=Framed.WIDE, flags="utf_16")
    assert (found.received[0].kind, found.received[0].identity) == (Kind.QUARANTINED, b"")
    assert (found.reply, found.refusal()) == (b"", b"")


def test_what_was_prepared_shows_no_content():
    """A large body on its way into the journal: its size."""
    assert repr(Prepared(1, b"DOE^JANE", b"\0" * 32)) == "Prepared(8 bytes)"
