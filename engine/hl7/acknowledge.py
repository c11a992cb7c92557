"""Acknowledgements: written in the delimiters and the version of the message they answer, and read from a receiver."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from engine.errors import Unreadable
from engine.hl7.delimiters import STANDARD, Delimiters, delimiters_of
from engine.hl7.escape import escape
from engine.hl7.message import Message, Segment
from engine.hl7.msh import LONGEST_ID, Msh, cut_to

_SHORT = 1_024  # bytes of an MSH whose answers are remembered
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_EVENT = re.compile(rb"[A-Za-z0-9]{1,8}")
_VERSION = re.compile(rb"(\d{1,2})\.(\d{1,2})(?:\.(\d{1,2}))?")
_UNKNOWN_VERSION = b"2.5"
NO_MSH = Msh(b"|", STANDARD.encoding, b"", b"", b"", b"", b"", b"", b"", b"", b"", b"", 0)


ERRORS: Final = {  # table 0357; what we write ourselves never holds a value of the message
    "0": "message accepted",
    "100": "segment sequence error",
    "101": "required field missing",
    "102": "data type error",
    "103": "table value not found",
    "104": "value too long",
    "198": "non-conformant cardinality",
    "199": "other HL7 error",
    "200": "unsupported message type",
    "201": "unsupported event code",
    "202": "unsupported processing id",
    "203": "unsupported version id",
    "204": "unknown key identifier",
    "205": "duplicate key identifier",
    "206": "application record locked",
    "207": "application internal error",
}


class AckError(NamedTuple):
    """Why a message is refused: a code of table 0357, the place `MSH^1^10` (or empty), and a fixed text in ASCII."""

    code: str
    location: str
    text: str


class Ack(NamedTuple):
    """What a receiver answered. `code` is MSA-1 in capitals, `control_id` MSA-2 as it stands, not unescaped.

    `echoed` is MSA-2 byte for byte: what is compared with the MSH-10 that was sent.
    `error_code` and `text` come from ERR-3, ERR-1 or MSA-6, and MSA-3, ERR-8 or ERR-7; the text is the receiver's own
    and may name a patient: it is kept with the attempt and never logged.
    """

    code: str
    control_id: str
    error_code: str
    text: str
    echoed: bytes = b""

    def __repr__(self) -> str:
        """Without the receiver's text."""
        return f"<Ack {self.code} {self.error_code}>"


def acknowledge(msh: Msh | None, code: str, *, now: str, control_id: str, error: AckError | None = None) -> bytes:
    r"""The answer to the message of this header; without one, in standard delimiters and with an empty MSA-2.

    Chapter 2.9. Sender and receiver change places; MSH-2, 11 and 12 are the request's, MSH-9 is `ACK^event^ACK`, `ACK`
    alone up to version 2.3. MSA-2 repeats MSH-10 byte for byte, so that the sender finds it, cut at 199 characters and with
    control characters escaped, so that the answer stays intact; with an `own_id` it is left empty, and
    `engine.hl7.transcode.answer_in` puts it there. The error is `ERR-1` up to 2.4, `ERR-2` to 4 from 2.5.

    Args:
        msh: header of the message that is answered.
        code: AA, AE, AR, CA, CE or CR.
        now: MSH-7, a DTM.
        control_id: MSH-10 of the answer.
        error: what was wrong, or None.
    """
    asked = msh if msh is not None else NO_MSH
    if error is None and asked.end <= _SHORT and _is_plain(asked.control_id) and not asked.own_id:
        # a sender's answers differ in three fields only
        same = asked._replace(datetime=b"", control_id=b"", accept=b"", application=b"", end=0)
        before, between, after = _around(same, code)
        return b"".join(
            (before, now.encode("ascii"), between, control_id.encode("ascii"), after, asked.control_id, b"\r")
        )
    marks = _marks(asked)
    version = _version(asked.version)
    segments = [_header(asked, marks, version, now, control_id), _msa(asked, marks, code)]
    if error is not None and version < (2, 5):
        segments[1] += [_data(error.text, marks)]
        segments.append(_err_to_2_4(error, marks))
    elif error is not None:
        segments.append(_err_from_2_5(error, marks))
    return b"".join(marks.field_byte.join(fields) + b"\r" for fields in segments)


def _marks(asked: Msh) -> Delimiters:
    return delimiters_of(b"MSH" + asked.separator + asked.encoding + asked.separator, 0)


def _is_plain(control_id: bytes) -> bool:
    """Whether MSA-2 is MSH-10 as it stands, and asks for no character set."""
    return len(control_id) <= LONGEST_ID and control_id.isascii() and not _CONTROL.search(control_id)


@lru_cache(maxsize=512)
def _around(asked: Msh, code: str) -> tuple[bytes, bytes, bytes]:
    """What stands before the answer's MSH-7, between it and MSH-10, and between that and MSA-2."""
    marks = _marks(asked)
    field = marks.field_byte
    header = _header(asked, marks, _version(asked.version), "", "")
    before, between, rest = header[:6], header[7:9], header[10:]
    msa = b"MSA" + field + code.encode("ascii") + field
    return (
        field.join([*before, b""]),
        field.join([b"", *between, b""]),
        field.join([b"", *rest]) + b"\r" + msa,
    )


def _version(declared: bytes) -> tuple[int, ...]:
    """MSH-12.1 as numbers, (2, 5, 1); a later one than any known where it cannot be read."""
    match = _VERSION.match(declared)
    return tuple(int(part) for part in match.groups() if part) if match else (99,)


def _header(asked: Msh, marks: Delimiters, version: tuple[int, ...], now: str, control_id: str) -> list[bytes]:
    names = [asked.receiving_app, asked.receiving_facility, asked.app, asked.facility]
    fields = [
        *(b"MSH", marks.encoding, *(_clean(name, marks) for name in names), now.encode("ascii"), b""),
        *(_ack_type(asked, marks, version), control_id.encode("ascii")),
        *(_clean(asked.processing, marks) or b"P", _clean(asked.version, marks) or _UNKNOWN_VERSION),
    ]
    # only names and MSA-2 can be other than ASCII, and they are in the character set of the request
    return (
        fields
        if b"".join([*names, asked.control_id, asked.own_id]).isascii() and b"\x1b" not in asked.own_id
        else [*fields, *[b""] * 5, _clean(asked.charset, marks)]
    )


def _ack_type(asked: Msh, marks: Delimiters, version: tuple[int, ...]) -> bytes:
    parts = asked.type.split(marks.component_byte, 2)
    if version <= (2, 3) or len(parts) < 2 or not _EVENT.fullmatch(parts[1]):
        return b"ACK"
    return marks.component_byte.join((b"ACK", parts[1], b"ACK"))


def _msa(asked: Msh, marks: Delimiters, code: str) -> list[bytes]:
    control_id = _clean(b"" if asked.own_id else asked.control_id, marks)
    if len(control_id) > LONGEST_ID:
        control_id = _cut(control_id, marks)
    return [b"MSA", code.encode("ascii"), control_id]


def _cut(control_id: bytes, marks: Delimiters) -> bytes:
    """At most 199 characters, with no half of an escape sequence at the end; bytes that are no UTF-8 are a character each."""
    cut = cut_to(control_id, LONGEST_ID)
    return cut[: cut.rindex(marks.escape_byte)] if cut.count(marks.escape_byte) % 2 else cut


def _clean(raw: bytes, marks: Delimiters) -> bytes:
    """Bytes of a field with control characters escaped: a VT or FS in them would end the frame of the answer."""
    if not _CONTROL.search(raw):
        return raw
    mark = marks.escape_byte
    return _CONTROL.sub(lambda found: b"%sX%02X%s" % (mark, found[0][0], mark), raw)


def _data(text: str, marks: Delimiters) -> bytes:
    return escape(text, marks).encode("ascii", "replace")


def _err_to_2_4(error: AckError, marks: Delimiters) -> list[bytes]:
    place = error.location.split("^") if error.location else []
    parts = [*place, "", "", ""][:3]
    return [b"ERR", marks.component_byte.join(_data(part, marks) for part in (*parts, error.code))]


def _err_from_2_5(error: AckError, marks: Delimiters) -> list[bytes]:
    place = marks.component_byte.join(_data(part, marks) for part in error.location.split("^"))
    what = marks.component_byte.join((_data(error.code, marks), _data(error.text, marks), b"HL70357"))
    return [b"ERR", b"", place, what, b"E", b"", b"", b""]


def read_ack(raw: bytes) -> Ack:
    """Read a receiver's answer. Raises Unreadable where it is no message, has no MSA, or MSA-1 is empty.

    Bytes that are no UTF-8 are read as ISO 8859-1: of the text only, which is for people.
    """
    try:
        raw.decode("utf-8")
        message = Message.parse(raw)
    except UnicodeDecodeError:
        message = Message.parse(raw, "iso8859_1")
    msa = message.first("MSA")
    code = msa.get(1) if msa else None
    if msa is None or not code:
        raise Unreadable("the answer holds no MSA segment with a code")
    errors = _deciding(message)
    echoed = msa.raw_field(2) or b""
    control_id = echoed.decode(message.charset)
    return Ack(code.strip().upper(), control_id, _error_code(msa, errors), _text(msa, errors), echoed)


def _deciding(message: Message) -> Segment | None:
    """The ERR that refuses: the first that is no warning or information (ERR-4, table 0516), else the first."""
    found = message.all("ERR")
    return next((err for err in found if err.get(4) not in {"W", "I"}), next(iter(found), None))


def _error_code(msa: Segment, errors: Segment | None) -> str:
    found = [errors.get(3, 1), errors.get(1, 4, 1)] if errors else []
    return _first_valued([*found, msa.get(6, 1)])


def _text(msa: Segment, errors: Segment | None) -> str:
    found = [errors.get(8), errors.get(7), errors.get(3, 2), errors.get(1, 4, 2)] if errors else []
    return _first_valued([msa.get(3), *found, msa.get(6, 2)])


def _first_valued(texts: list[str | None]) -> str:
    return next((text for text in texts if text is not None and text not in ("", '""')), "")
