"""What receive makes of every character set: accepted as what, refused where, answered in which bytes, read as what."""

import time
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.channel.declared import first_bad
from engine.channel.examine import SHIFTS
from engine.channel.ports import Entry, Kind
from engine.channel.receive import Judged, ListenerRules, judge
from engine.hl7.charset import encode
from engine.hl7.received import message_of
from engine.mllp.framing import Framed, FrameEvent

NOW = 1_787_131_860_000_000
RULES = ListenerRules("lab")


def message(name: str = "DOE^JANE", declared: str = "", app: str = "LAB", control_id: str = "C1") -> str:
    """A registration whose MSH-18 is `declared`, for a patient of this name."""
    head = f"MSH|^~\\&|{app}|HOSP|BST||20260819093100||ADT^A01|{control_id}|P|2.5.1||||||{declared}"
    return f"{head}\rPID|1||123^^^HOSP^MR||{name}\rNTE|1||b\r"


def judged(raw: bytes, rules: ListenerRules = RULES, vt_at: int = -1) -> Judged:
    return judge(FrameEvent(Framed.FRAME, raw, "vt_inside" if vt_at >= 0 else "", vt_at), rules, "10.0.0.7:1", NOW)


def entry(raw: bytes, rules: ListenerRules = RULES):
    (one,) = judged(raw, rules).received
    assert one.body == raw
    return one


DECLARED = [
    ("ASCII", "DOE^JANE", "ascii", ""),
    ("8859/1", "MÜLLER^RENÉE", "iso8859_1", ""),
    ("8859/2", "Dvořák^Jiří", "iso8859_2", ""),
    ("8859/5", "Иванов^Пётр", "iso8859_5", ""),
    ("8859/6", "محمد", "iso8859_6", ""),
    ("8859/7", "Παπαδόπουλος", "iso8859_7", ""),
    ("8859/8", "כהן", "iso8859_8", ""),
    ("8859/9", "I\u015f\u0131k", "iso8859_9", ""),
    ("8859/15", "Œuvré 5 €", "iso8859_15", ""),
    ("WINDOWS-1252", "5 €", "cp1252", ""),
    ("UNICODE UTF-8", "山田^ü", "utf-8", ""),
    ("UNICODE", "山田^ü", "utf-8", ""),
    ("BIG-5", "許功蓋^功", "cp950", ""),
    ("GB 18030-2000", "李明^㐂", "gb18030", ""),
    ("GBK", "李明^镕", "gbk", ""),
    ("GB2312", "李明", "gb2312", ""),
    ("SHIFT_JIS", "表^ソ", "cp932", ""),
    ("KS X 1001", "김철수", "euc_kr", ""),
    ("EUC-KR", "김철수", "euc_kr", ""),
    ("ISO IR14", "ﾔﾏﾀﾞ^ﾀﾛｳ", "jisx0201", ""),
    ("~ISO IR87", "山田^太郎", "iso2022:ascii,jisx0208", ""),
    ("ISO IR87", "山田^太郎", "iso2022:ascii,jisx0208", ""),
    ("ISO 2022 IR 6~ISO 2022 IR 87", "山田^太郎", "iso2022:ascii,jisx0208", ""),
    ("ASCII~ISO IR87~ISO IR159", "山^丂", "iso2022:ascii,jisx0208,jisx0212", ""),
    ("8859/1~ISO IR87", "Müller^山田", "iso2022:iso8859_1,jisx0208", ""),
    ("8859/1~ISO IR87", "Müller", "iso8859_1", ""),
    ("ISO IR14~ISO IR87", "ﾔﾏﾀﾞ^山田", "iso2022:jisx0201,jisx0208", ""),
    ("~ISO IR87", "DOE", "utf-8", ""),
    ("~ISO IR87", "é", "utf-8", ""),
]


@pytest.mark.parametrize(("declared", "name", "charset", "flags"), DECLARED)
def test_what_is_declared_is_what_is_read(declared: str, name: str, charset: str, flags: str) -> None:
    """Every set of table 0211: accepted, kept byte for byte, and the name reads as it was written."""
    raw = encode(message(name, declared), charset)
    one = entry(raw)
    assert (one.answer, one.kind, one.charset, one.flags) == ("AA", Kind.MESSAGE, charset, flags)
    read = message_of(one.body, one.charset)
    assert read.get("PID-5") == name
    assert [segment.name for segment in read.segments] == ["MSH", "PID", "NTE"]


WRONG = [
    ("8859/1", message("MÜLLER", "8859/1").encode(), "iso8859_1", "charset_suspect control_characters"),
    ("8859/1", encode(message("5 €", "8859/1"), "cp1252"), "iso8859_1", "charset_suspect control_characters"),
    ("WINDOWS-1252", message("MÜLLER", "WINDOWS-1252").encode(), "cp1252", "charset_suspect"),
    ("KS X 1001", encode(message("뷁", "KS X 1001"), "cp949"), "cp949", "charset_wider"),
    ("GB2312", encode(message("镕", "GB2312"), "gbk"), "gb18030", "charset_wider"),
    ("BIG-5", encode(message("\u43f0", "BIG-5"), "big5hkscs"), "big5hkscs", "charset_wider"),
    ("", message("MÜLLER").encode(), "utf-8", ""),
]


@pytest.mark.parametrize(("declared", "raw", "charset", "flags"), WRONG, ids=range(len(WRONG)))
def test_wrong_declarations_are_flagged(declared: str, raw: bytes, charset: str, flags: str) -> None:
    """Bytes that read as UTF-8, Windows letters where 8859 has controls, and sets that senders mean by a smaller name."""
    one = entry(raw)
    assert (one.answer, one.charset, one.flags) == ("AA", charset, flags)


KANJI = "山田".encode("iso2022_jp")
REFUSED = [
    (message(declared="KLINGON").encode(), "AR|103|MSH^1^18"),
    (message(declared="CNS 11643-1992").encode(), "AR|103|MSH^1^18"),
    (message("é", "UNICODE UTF-16").encode("latin-1"), "AE|102|MSH^1^18"),
    (message(declared="UNICODE UTF-32").encode(), "AE|102|MSH^1^18"),
    (message("é", "ASCII").encode("latin-1"), "AE|102|PID^1^5"),
    (message("é", "UNICODE UTF-8").encode("latin-1"), "AE|102|PID^1^5"),
    (message("é").encode("latin-1"), "AE|102|PID^1^5"),
    (message("@", "BIG-5").encode().replace(b"@", b"\xff\xff"), "AE|102|PID^1^5"),
    (encode(message("功功@", "BIG-5"), "cp950").replace(b"@", b"\xff"), "AE|102|PID^1^5"),
    (message("@", "GB 18030-2000").encode().replace(b"@", b"\x81"), "AE|102|PID^1^5"),
    (message("@", "~ISO IR87").encode().replace(b"@", KANJI[:-3]), "AE|102|PID^1^5"),
    (message("@", "~ISO IR87").encode().replace(b"@|", b"|"), "AA"),
    (message("@", "~ISO IR87").encode().replace(b"@", b"\x1b(0x"), "AE|102|PID^1^5"),
    (message("@", "~ISO IR87").encode().replace(b"b\r", KANJI[:-3]), "AE|102|NTE^1^3"),
    (message("\x1b(B" * (SHIFTS + 1), "~ISO IR87").encode(), "AR|104|"),
    (message("功" + "^" * 201, "BIG-5").encode("cp950"), "AR|104|"),
]


@pytest.mark.parametrize(("raw", "answer"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_read_is_refused_at_its_place(raw: bytes, answer: str) -> None:
    """AE 102 names the field of the first byte that is no text (reliability rows 36 to 40); the raw is kept."""
    one = entry(raw)
    assert one.answer == answer
    assert one.kind is (Kind.MESSAGE if answer == "AA" else Kind.QUARANTINED)


def test_limits_count_delimiters_and_no_halves_of_characters() -> None:
    """A thousand kanji whose second byte is a circumflex are no thousand components."""
    second = next(bytes([lead, 0x5E]).decode("cp950") for lead in range(0xA4, 0xC6))
    assert entry(encode(message(second * 1_000, "BIG-5"), "cp950")).answer == "AA"


@pytest.mark.parametrize(
    ("default", "raw", "charset", "flags"),
    [
        ("iso8859_1", message("é").encode("latin-1"), "iso8859_1", "charset_assumed"),
        ("cp950", message("功").encode("cp950"), "cp950", "charset_assumed"),
        ("cp950", message("功").encode(), "utf-8", ""),
        ("cp950", message().encode(), "utf-8", ""),
        (
            "iso2022:ascii,jisx0208",
            message("@").encode().replace(b"@", KANJI),
            "iso2022:ascii,jisx0208",
            "charset_assumed",
        ),
        ("iso2022:ascii,jisx0208", message().encode(), "utf-8", ""),
        ("iso8859_1", message("功", "BIG-5").encode("cp950"), "cp950", ""),
    ],
)
def test_the_listeners_set_where_nothing_is_declared(default: str, raw: bytes, charset: str, flags: str) -> None:
    """UTF-8 if the bytes are that, else what the listener says, flagged."""
    one = entry(raw, RULES._replace(charset=default))
    assert (one.answer, one.charset, one.flags) == ("AA", charset, flags)


@pytest.mark.parametrize(
    ("name", "default", "charset", "flags", "read"),
    [
        (r"M\XFC\ller", "iso8859_1", "iso8859_1", "charset_assumed", "Müller"),
        (r"M\XC3BC\ller", "iso8859_1", "utf-8", "", "Müller"),
        (r"M\X41\ller", "iso8859_1", "utf-8", "", "MAller"),
        ("Müller", "iso8859_1", "utf-8", "", "Müller"),
        (r"\XA55C\ ", "cp950", "cp950", "charset_assumed", "功 "),
        (r"\XFF\ ", "cp950", "utf-8", "", r"\XFF\ "),
        (r"\XFC\ ", "utf-8", "utf-8", "", r"\XFC\ "),
    ],
)
def test_ascii_whose_escapes_name_other_bytes(name: str, default: str, charset: str, flags: str, read: str) -> None:
    r"""`\XFC\` is no UTF-8: with an empty MSH-18 it is the listener's set that it names a byte of."""
    one = entry(message(name).encode(), RULES._replace(charset=default))
    assert (one.answer, one.charset, one.flags) == ("AA", charset, flags)
    assert message_of(one.body, one.charset).get("PID-5") == read


def test_an_override_counts_for_what_escapes_name() -> None:
    """The message says 8859/1 and its sender means GB 18030."""
    one = entry(message(r"\XD5C5\ ", "8859/1").encode(), RULES._replace(override="gb18030"))
    assert (one.charset, one.flags) == ("gb18030", "charset_overridden")
    assert message_of(one.body, one.charset).get("PID-5") == "张 "


def test_neither_utf8_nor_the_listeners_set() -> None:
    """AE 102 at the first byte that is no UTF-8."""
    raw = message("@").encode().replace(b"@", b"\xff\xff")
    assert entry(raw, RULES._replace(charset="cp950")).answer == "AE|102|PID^1^5"
    assert entry(raw, RULES._replace(charset="iso8859_7")).answer == "AE|102|PID^1^5"


@pytest.mark.parametrize(
    ("override", "raw", "answer", "charset", "flags"),
    [
        ("utf-8", message("é", "8859/1").encode(), "AA", "utf-8", "charset_overridden"),
        ("utf-8", message("é", "UTF-8").encode(), "AA", "utf-8", ""),
        ("utf-8", message(declared="8859/1").encode(), "AA", "utf-8", ""),
        ("utf-8", message("é", "KLINGON").encode(), "AA", "utf-8", "charset_overridden"),
        ("utf-8", message("é").encode(), "AA", "utf-8", "charset_overridden"),
        ("utf-8", message("é", "8859/1").encode("latin-1"), "AE|102|PID^1^5", "", ""),
        ("cp950", message("功", "8859/1").encode("cp950"), "AA", "cp950", "charset_overridden"),
        ("cp950", message("功", "BIG-5").encode("cp950"), "AA", "cp950", ""),
    ],
)
def test_the_listener_may_know_better_than_msh18(override, raw, answer, charset, flags) -> None:
    """`charset_override`: what this sender really sends (T45)."""
    one = entry(raw, RULES._replace(override=override))
    assert (one.answer, one.charset, one.flags) == (answer, charset, flags)


@pytest.mark.parametrize("declared", ["BIG-5", "GB 18030-2000", "SHIFT_JIS"])
def test_a_header_whose_own_characters_hide_delimiters(declared: str) -> None:
    """MSH-3 holds characters whose second byte is a field separator: MSH-18 is found all the same, MSH-10 too."""
    codec = {"BIG-5": "cp950", "GB 18030-2000": "gb18030", "SHIFT_JIS": "cp932"}[declared]
    leads = range(0x81, 0xFA)
    hiding = next(c for lead in leads if ord(c := bytes([lead, 0x7C]).decode(codec, "ignore") or "x") > 0x7F)
    raw = encode(message("表", declared, app=f"{hiding}x", control_id=f"C{hiding}9"), codec)
    one = judged(raw)
    assert (one.received[0].answer, one.received[0].charset) == ("AA", codec)
    assert encode(f"MSA|AA|C{hiding}9\r", codec) in one.reply
    assert encode(f"|{hiding}x|HOSP|", codec) in one.reply
    assert encode(f"||||||{declared}\r", codec) in one.reply


@pytest.mark.parametrize(
    ("declared", "charset", "control_id"),
    [
        ("GB 18030-2000", "gb18030", rb"K\XD5C5\1"),
        ("GB 18030-2000", "gb18030", rb"K\Xd5c5\1"),
        ("~ISO IR87", "", b"K\x1b(B1"),
        ("~ISO IR87", "", b"K\\C2842\\1"),
        ("~ISO IR87", "", b"K\x1b$B;3\x1b$BED\x1b(B1"),
        ("~ISO IR87", "", b"\x1b$B;|\x1b$B;3\x1b(B"),
        ("BIG-5", "cp950", b"K\xf9\xf9"),
        ("SHIFT_JIS", "cp932", b"K\x95\x7c\x83\x5c"),
    ],
)
@pytest.mark.parametrize("name", ["山", "DOE"])
def test_the_control_id_comes_back_byte_for_byte(declared: str, charset: str, control_id: bytes, name: str) -> None:
    """MSA-2 is MSH-10 as it came (D16): a sender that compares bytes finds it, with a shift too many or another spelling."""
    charset = charset or "iso2022:ascii,jisx0208"
    raw = encode(message(name, declared, control_id="@"), charset).replace(b"|@|", b"|" + control_id + b"|")
    one = judged(raw)
    assert one.received[0].answer == "AA"
    assert b"\rMSA|AA|" + control_id + b"\r" in one.reply
    told = b"||||||" + declared.encode() + b"\rMSA"
    assert (told in one.reply) is (not control_id.isascii() or b"\x1b" in control_id)


def test_a_control_id_that_an_answer_cannot_repeat_as_it_is() -> None:
    """Holding a control character, or far behind: as the text it is."""
    raw = encode(message("山", "GB 18030-2000", control_id="@"), "gb18030").replace(b"@", b"\\Xd5c5\\\x01")
    assert b"\rMSA|AA|\\XD5C5\\\\X01\\\r" in judged(raw).reply
    far = encode(message("山", "GB 18030-2000", app="A" * 2000, control_id="山@"), "gb18030")
    assert "\rMSA|AA|山\\XD5C5\\\r".encode("gb18030") in judged(far.replace(b"@", b"\\XD5C5\\")).reply


def test_a_header_that_names_no_such_set_is_read_as_it_stands() -> None:
    """Letters beyond ASCII in the header of other messages change nothing."""
    assert entry(message("é", app="LÄB").encode()).charset == "utf-8"
    assert entry(message("é", "KLINGON|a||BIG-5", app="LÄB").encode()).answer == "AR|103|MSH^1^18"
    assert (
        entry(message("é", "KLINGON||BIG-5|8859/1", app="L@B").encode().replace(b"@", b"\xff\xff")).answer[:6]
        == "AR|103"
    )
    assert (
        entry(message("x", "KLINGON||~ISO IR87", app="L@B").encode().replace(b"@", b"\x1b")).answer == "AR|103|MSH^1^18"
    )


def test_a_vt_that_is_content_is_found_in_the_text() -> None:
    """AE 102 at its own field, though delimiters hide before it."""
    second = next(bytes([lead, 0x7C]).decode("cp950") for lead in range(0xA4, 0xC6))
    raw = encode(message(f"{second}^a", "BIG-5").replace("||b", "|\x0b|\x0bb"), "cp950")
    first = raw.index(b"\x0b")
    assert judged(raw, vt_at=first).received[0].answer == "AE|102|NTE^1^2"
    assert judged(raw, vt_at=raw.index(b"\x0b", first + 1)).received[0].answer == "AE|102|NTE^1^3"


def test_what_would_not_be_written_back_as_it_came_is_flagged() -> None:
    """A shift more than needed reads the same; the journal keeps it, what leaves will not have it."""
    raw = message("@", "~ISO IR87").encode().replace(b"@", KANJI + b"\x1b(B")
    assert entry(raw).flags == "charset_respelled"
    (one,) = judged(
        encode(message("山", "~ISO IR87") + "OBX|1||" + "x" * 1024 * 1024, "iso2022:ascii,jisx0208")
    ).received
    assert (one.answer, one.flags) == ("AA", "")


def test_a_batch_in_such_a_set() -> None:
    """Each message is judged in its own set."""
    raw = b"BHS|^~\\&|A|B|||2026||||B1\r" + message("功", "BIG-5").encode("cp950") + b"BTS|1\r"
    (one,) = judged(raw).received
    assert (one.answer, one.charset, one.flags) == ("AA", "cp950", "batch")


PIECES = [b"|", b"^", b"\\", b"~", b"\r", b"A", b"\xa4\x7c", b"\x81\x30\x81\x30", b"\x1b$B;3\x1b(B", b"\xff", b"\x1b$B"]


@given(
    st.sampled_from(["BIG-5", "GB 18030-2000", "~ISO IR87", "SHIFT_JIS", "8859/1~ISO IR87", "", "KS X 1001"]),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=4)), max_size=20),
    st.booleans(),
)
def test_any_bytes_are_answered(declared: str, pieces: list[bytes], in_header) -> None:
    """No exception; what is accepted can be read, with as many segments as lines, and nothing became U+FFFD."""
    junk = b"".join(pieces)
    raw = message("@", declared, app="@" if in_header else "LAB").encode().replace(b"@", junk.replace(b"@", b""))
    (one,) = judged(raw).received
    assert one.answer
    assert one.body == raw
    if one.answer == "AA":
        read = message_of(raw, one.charset)
        lines = [line for line in raw.replace(b"\n", b"\r").split(b"\r") if line.strip()]
        assert len(read.segments) == len(lines)
        assert "\ufffd" not in "".join(segment.raw.decode(read.charset) for segment in read.segments)


@pytest.mark.parametrize("charset", ["cp950", "gb18030", "iso2022:ascii,jisx0208"])
def test_judging_is_linear(charset: str) -> None:
    """Eight times the text takes about eight times as long."""
    declared = {"cp950": "BIG-5", "gb18030": "GB 18030-2000"}.get(charset, "~ISO IR87")

    def seconds(count: int) -> float:
        raw = encode(message("x") + "NTE|1||山田 \r" * count, charset).replace(
            b"||||||\r", f"||||||{declared}\r".encode()
        )
        best = min(_timed(partial(judged, raw)) for _ in range(3))
        assert entry(raw).answer == "AA"
        return best

    assert seconds(8_000) < max(80 * seconds(1_000), 0.5)


def _timed(run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def test_an_entry_that_lies_about_its_set_is_unreadable() -> None:
    """The worker says so instead of guessing."""
    from pathlib import Path

    from engine.channel.read_entry import read_entry
    from engine.channel.routes import Routes
    from engine.channel.site import load_site

    site = load_site(Path(__file__).parents[2]).site
    assert site is not None
    raw = message("@", "BIG-5").encode().replace(b"@", b"\xff\xff")
    lying = Entry(1, 0, "adt", "p:1", NOW, raw, "cp950", Kind.MESSAGE, "AA", "", b"")
    assert read_entry(Routes(site), lying).problem == "AA"


def test_the_first_byte_that_is_no_text() -> None:
    """Its offset, -1 where all bytes are text."""
    assert first_bad(b"a\xe9", "utf-8") == 1
    assert first_bad(b"a", "utf-8") == -1


@pytest.mark.parametrize(
    ("override", "name", "charset"),
    [
        ("iso2022:ascii,jisx0208", "DOE", "ascii"),
        ("iso2022:iso8859_1,jisx0208", "MÜLLER", "iso8859_1"),
        ("iso2022:iso8859_1,jisx0208", "山田", "iso2022:iso8859_1,jisx0208"),
    ],
)
def test_a_set_with_shifts_for_all_messages_takes_those_without_one(override: str, name: str, charset: str) -> None:
    """`charset_override: ISO IR87`: most of such a sender's messages hold no shift at all."""
    raw = encode(message(name), override)
    one = entry(raw, RULES._replace(override=override))
    assert (one.answer, one.charset) == ("AA", charset)
    assert message_of(one.body, one.charset).get("PID-5") == name


def test_a_control_id_has_199_characters_in_any_set():
    """Counted as a person counts; the answer repeats all of them, and cuts what was refused."""
    for count, code in ((199, "AA"), (200, "AR")):
        raw = f"MSH|^~\\&|A|B|C|D|20260819||ADT^A01|{'張' * count}|P|2.5||||||GB 18030-2000\r".encode("gb18030")
        judged = judge(FrameEvent(Framed.FRAME, raw), ListenerRules("a"), "p", NOW)
        assert judged.received[0].answer[:2] == code
        assert f"MSA|{code}|{'張' * 199}".encode("gb18030") in judged.reply


def test_bytes_of_a_field_are_counted_as_they_came():
    """3 MiB of GB 18030 are 4.5 MiB of UTF-8, and no more than 4 MiB; more than that is refused."""
    for size, code in ((3 * 2**20, "AA"), (5 * 2**20, "AR")):
        head = b"MSH|^~\\&|A|B|C|D|20260819||ADT^A01|C1|P|2.5||||||GB 18030-2000\rOBX|1|TX|N||"
        raw = head + "張".encode("gb18030") * (size // 2) + b"\r"
        judged = judge(FrameEvent(Framed.FRAME, raw), ListenerRules("a"), "p", NOW)
        assert judged.received[0].answer[:2] == code
