r"""Text in several character sets that shifts change between: ISO 2022 as MSH-18 and MSH-20 of chapter 2 use it.

A message starts in one set. An escape sequence (`ESC $ B`), or the same written as an HL7 escape (`\M2442\`, chapter
2.7.2), changes to another for what follows. A shift to a set of two bytes must be undone before the field ends; what is
designated for the bytes above 0x7F counts until the field ends. Linear in the length of the text.
"""

import codecs
import re
from collections.abc import Collection
from functools import lru_cache

from engine.hl7.pieces import decoded

_KANA = "".join(chr(0xFF61 + n) for n in range(0x3F))
_JIS_X_0201 = (
    "".join(map(chr, range(0x80))) + "\ufffe" * 0x21 + _KANA + "\ufffe" * 0x20
)  # U+FFFE: no character, as codecs.charmap_decode reads it
_JIS_X_0201_BYTES = codecs.charmap_build(_JIS_X_0201)

# shift -> set for the bytes below 0x80; JIS Roman is read as ASCII, since its yen sign is the escape character of HL7
_LEFT = {
    b"(B": "ascii",
    b"(J": "ascii",
    b"(I": "kana",
    b"$B": "jisx0208",
    b"$@": "jisx0208",
    b"$(B": "jisx0208",
    b"$(D": "jisx0212",
    b"$A": "gb2312",
    b"$(A": "gb2312",
    b"$(C": "euc_kr",
}
# shift -> set for the bytes from 0x80
_RIGHT = {
    b"-A": "iso8859_1",
    b"-B": "iso8859_2",
    b"-C": "iso8859_3",
    b"-D": "iso8859_4",
    b"-L": "iso8859_5",
    b"-G": "iso8859_6",
    b"-F": "iso8859_7",
    b"-H": "iso8859_8",
    b"-M": "iso8859_9",
    b"-V": "iso8859_10",
    b"-T": "iso8859_11",
    b"-Y": "iso8859_13",
    b"-_": "iso8859_14",
    b"-b": "iso8859_15",
    b"-f": "iso8859_16",
    b")I": "jisx0201",
    b"$)A": "gb2312",
    b"$)C": "euc_kr",
}
DESIGNATION = {"jisx0208": b"$B", "jisx0212": b"$(D"} | {name: shift for shift, name in _RIGHT.items()}
TWO_BYTES = frozenset({"jisx0208", "jisx0212", "gb2312", "euc_kr"})
PYTHON = {"jisx0208": "euc_jp", "jisx0212": "euc_jp", "kana": "jisx0201"}
HIGH = bytes(byte | 0x80 if 0x21 <= byte <= 0x7E else byte for byte in range(0x100))
LOW = bytes(byte & 0x7F for byte in range(0x100))

SETS = frozenset(DESIGNATION) | {"ascii"}
"""The sets that a shift can reach, by the names that engine.hl7.charset gives them."""


def has_shift(raw: bytes, escape: bytes) -> bool:
    """Whether these bytes hold a shift, as an escape sequence or as an HL7 escape."""
    starts = (b"\x1b", escape + b"C", escape + b"M") if escape else (b"\x1b",)
    return any(start in raw for start in starts) and _patterns(escape)[0].search(raw) is not None


def decode(raw: bytes, start: str, field: bytes = b"|", escape: bytes = b"\\", *, whole: bool = True) -> str:
    """The text of a message that starts in the set `start`.

    Raises UnicodeDecodeError, with the offset of the first byte that is no text, where a shift leads to an unknown set,
    is left open at the end of a field, or is followed by what the set lacks. With `whole=False` the end may come inside
    a shift: the bytes are the beginning of a message.
    """
    shift, pairs, kana, reset = _patterns(escape, field)
    left, right, at, last = "ascii", start, 0, 0
    found: list[str] = []
    while at < len(raw):
        if left == "ascii":
            match = shift.search(raw, at)
            end = match.start() if match else len(raw)
            back = None if right == start else reset.search(raw, at, end)
            cut = back.start() if back else end
            found += [_decoded(raw, at, cut, right), _decoded(raw, cut, end, start)]
            right = start if back else right
        else:
            end = _end(kana if left == "kana" else pairs, raw, at)
            found.append(_shifted_text(raw, at, end, left))
        at = end
        if at < len(raw):
            match = shift.match(raw, at)
            if match is None:
                raise UnicodeDecodeError("iso2022", raw, at, at + 1, "a shift is left open")
            left, right = _after(match, left, right, raw)
            at, last = match.end(), match.start()
    if whole and left != "ascii":
        raise UnicodeDecodeError("iso2022", raw, last, len(raw), "a shift is left open")
    return "".join(found)


def in_set(chars: Collection[str], name: str) -> set[str]:
    """Those of the characters beyond ASCII that one set writes and reads, each for itself, in two passes over all of them."""
    beyond = [char for char in chars if not char.isascii()]
    if not beyond:
        return set()
    raw = bytes_of("\n".join(beyond), name, "ignore")
    try:
        back = text_in(raw, name).split("\n")
    except UnicodeDecodeError:  # one of them reads as a part of another
        back = [text_or_nothing(piece, name) for piece in raw.split(b"\n")]
    return {char for char, read in zip(beyond, back, strict=True) if char == read}


@lru_cache(maxsize=64)
def _patterns(escape: bytes, field: bytes = b"|") -> tuple[re.Pattern[bytes], ...]:
    """A shift; characters of two bytes, and of half-width Katakana, up to one; where a designation ends."""
    mark = re.escape(escape) if escape else rb"(?!)"
    written = rb"%s[CM]((?:[0-9A-Fa-f]{2}){2,4})%s" % (mark, mark)
    return (
        re.compile(rb"\x1b([\x20-\x2f]+[\x30-\x7e])|" + written),
        re.compile(rb"(?:(?!%s)[\x21-\x7e]{2}|\x20)*" % written.replace(rb"((?:", rb"(?:(?:")),
        re.compile(rb"(?:(?!%s)[\x20-\x5f])*" % written.replace(rb"((?:", rb"(?:(?:")),
        re.compile(b"[\r\n%s]" % re.escape(field)),
    )


def _end(pattern: re.Pattern[bytes], raw: bytes, at: int) -> int:
    match = pattern.match(raw, at)
    return match.end() if match else at


def _after(match: re.Match[bytes], left: str, right: str, raw: bytes) -> tuple[str, str]:
    """The sets below and above 0x80 after a shift."""
    shift = match[1] or bytes.fromhex(match[2].decode("ascii"))
    if shift in _LEFT:
        return _LEFT[shift], right
    if shift in _RIGHT:
        return left, _RIGHT[shift]
    raise UnicodeDecodeError("iso2022", raw, match.start(), match.end(), "a shift to an unknown set")


def _decoded(raw: bytes, at: int, end: int, name: str) -> str:
    try:
        return text_in(raw[at:end], name)
    except UnicodeDecodeError as bad:
        raise UnicodeDecodeError("iso2022", raw, at + bad.start, at + bad.end, "the set lacks it") from None


def _shifted_text(raw: bytes, at: int, end: int, name: str) -> str:
    piece = raw[at:end].translate(HIGH)
    if name == "jisx0212":
        piece = re.sub(rb"[\xa1-\xfe]{2}", b"\x8f\\g<0>", piece)
    try:
        return text_in(piece, PYTHON.get(name, name))
    except UnicodeDecodeError as bad:
        lead = piece.count(b"\x8f", 0, bad.start)
        raise UnicodeDecodeError("iso2022", raw, at + bad.start - lead, end, "the set lacks it") from None


def text_in(raw: bytes, name: str) -> str:
    """Bytes as text in one set without a shift. Raises UnicodeDecodeError."""
    return codecs.charmap_decode(raw, "strict", _JIS_X_0201)[0] if name == "jisx0201" else "".join(decoded(raw, name))


def text_or_nothing(raw: bytes, name: str) -> str:
    """Bytes as text in one set, and nothing where they are no text of it."""
    try:
        return text_in(raw, name)
    except UnicodeDecodeError:
        return ""


def bytes_of(text: str, name: str, errors: str = "strict") -> bytes:
    """Text as bytes in one set without a shift. Raises UnicodeEncodeError."""
    if name == "jisx0201":
        return codecs.charmap_encode(text, errors, _JIS_X_0201_BYTES)[0]
    return text.encode(name, errors)
