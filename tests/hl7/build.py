"""Messages for tests, by hand and by hypothesis."""

from functools import cache
from typing import Any

from hypothesis import strategies as st

from engine.hl7.message import Message

HEADER = b"MSH|^~\\&|RIS|HOSP|PACS|RAD|20260819101500||ORM^O01^ORM_O01|C1|P|2.5.1"
MARKS = ("|^~\\&", "|^~\\&#", "#^~\\&", "|@%\\&", "!$;?@", "$%~\\&", "|^~#&", "|.:\\&")
CHARSETS = ("utf-8", "ascii", "iso8859_1", "cp1252", "euc_kr", "iso8859_5")
LOSSY = "\u3164"  # EUC-KR writes the Hangul filler so that it does not read back
ENDS = (b"\r", b"\n", b"\r\n")


def message(*lines: bytes, end: bytes = b"\r", charset: str = "utf-8") -> Message:
    """A message of the usual header and these lines, each ended."""
    return Message.parse(b"".join(line + end for line in (HEADER, *lines)), charset)


@cache
def texts(charset: str, size: int = 12) -> Any:
    """Texts that this character set can hold, with many delimiters, escapes and controls among them."""
    alphabet = st.one_of(
        st.sampled_from('|^~\\&#.$%@!?;:\r\n\t\x0b\x1c\x00"XFSTREPHN0AD br'),
        st.characters(codec=charset, exclude_characters=LOSSY),
    )
    return st.text(alphabet, max_size=size)


@cache
def insides(marks: str, charset: str) -> Any:
    """What fields hold: separators below the field, escape characters, quotes, letters of the character set."""
    characters = st.characters(codec=charset, exclude_characters=LOSSY)
    return st.text(st.one_of(st.sampled_from(marks[1:5] + 'abc".'), characters), max_size=8)


@st.composite
def lines(draw: Any, marks: str, charset: str) -> bytes:
    """A segment of random fields, with separators of every level and odd escapes inside."""
    name = draw(st.sampled_from(("PID", "OBX", "OBR", "NTE", "ZDS", "AL1")))
    fields = draw(st.lists(insides(marks, charset), max_size=8))
    text = marks[0].join([name, *fields])
    return text.encode(charset).translate(None, b"\r\n")


@st.composite
def messages(draw: Any) -> Message:
    """Messages in several delimiters, character sets and line ends, mixed, with blank lines and without a last end."""
    marks = draw(st.sampled_from(MARKS))
    charset = draw(st.sampled_from(CHARSETS))
    body = draw(st.lists(lines(marks, charset), max_size=5))
    header = f"MSH{marks[0]}{marks[1:]}{marks[0]}A{marks[0]}B".encode("ascii")
    raw = b"".join(line + draw(st.sampled_from((*ENDS, b"\r\r", b"\n \n"))) for line in (header, *body[:-1]))
    last = body[-1] + draw(st.sampled_from((b"", *ENDS))) if body else b""
    return Message.parse(draw(st.sampled_from((b"", b"\xef\xbb\xbf", b"\r\n"))) + raw + last, charset)
