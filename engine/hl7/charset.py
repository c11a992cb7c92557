"""Character sets: from the words of MSH-18 (table 0211) to a name, and text to and from the bytes of every set.

A set's name is that of a Python codec, `jisx0201`, or `iso2022:START,FURTHER,...` where shifts change between sets.
Messages are split as bytes in the sets that keep every byte below 0x80 to ASCII. In the others a delimiter may be half of
a character: such a message is read as a whole and split as UTF-8 (engine.hl7.received).
"""

import codecs
import re
from collections.abc import Collection
from functools import lru_cache

from engine.hl7 import iso2022, iso2022_writing
from engine.hl7.charset_names import NAMES, REGISTERED, WORDS
from engine.hl7.pieces import decoded

_LATIN = re.compile(r"(?:ISO)?8859([1-9]|1[0-6])")
_NUMBER = re.compile(r"ISO(2022)?IR0*([0-9]{1,3})")
_CODE_PAGE = re.compile(r"(?:CP|WINDOWS|MS)(125[0-8]|437|85[0258]|86[0-356]|874)")
_WORD = re.compile(rb"[A-Za-z0-9 /_.:-]*")
_SPLITTABLE = re.compile(
    "utf-8|ascii|iso8859-[0-9]+|cp125[0-8]|cp437|cp85[0258]|cp86[0-356]|cp874|koi8-[ru]|euc_kr|euc_jp|gb2312|cp949"
)
_WHOLE = frozenset({"cp950", "big5hkscs", "gbk", "gb18030", "cp932", "jisx0201"})
_NO_FRAME = frozenset({"utf-16", "utf-32"})  # what starts with the bytes MSH is neither
_SINGLE = re.compile("ascii|iso8859-[0-9]+|cp[0-9]{3,4}|koi8-[ru]")
_DOUBLE_BYTE = frozenset({"cp949", "cp950", "cp932"})
_ISO2022 = "iso2022:"


@lru_cache(maxsize=256)
def codec_of(msh18: bytes) -> str | None:
    """The set that one repetition of MSH-18 names; None where the word is empty or names no set that we know.

    Table 0211 and the spellings that senders use. UTF-16 and UTF-32 are named, though no frame can be in them. Of sets
    that are reached by shifts only (`jisx0208`), the name stands for the set and not for the message.
    """
    match = _WORD.match(msh18)
    word = re.sub(r"[ /_.:-]", "", (match[0] if match else b"").decode("ascii")).upper()
    latin = _LATIN.fullmatch(word)
    if latin:
        return None if latin[1] == "12" else f"iso8859_{latin[1]}"  # part 12 was never published
    number = _NUMBER.fullmatch(word)
    if number:
        return REGISTERED.get(int(number[2]))
    page = _CODE_PAGE.fullmatch(word)
    return f"cp{page[1]}" if page else NAMES.get(word)


@lru_cache(maxsize=256)
def charset_of(msh18: bytes, repetition: bytes = b"~") -> str | None:
    """The set that the whole of MSH-18 declares; None where its first repetition is a word that we do not know.

    The first repetition is what the message starts in, empty meaning ASCII; the further ones are reached by shifts, and
    count only where shifts can reach them.
    """
    first, *others = msh18.split(repetition) if repetition else [msh18]
    start = codec_of(first) if first.strip() else "ascii"
    if start is None or start in _WHOLE - {"jisx0201"} or start in _NO_FRAME:
        return start
    named = [codec_of(word) for word in others]
    further = [name for name in dict.fromkeys(named) if name in iso2022.SETS and name not in {start, "ascii"}]
    if start not in iso2022.SETS and start != "utf-8":
        return start
    if start in {"jisx0208", "jisx0212"}:  # no header is written in them
        start, further = "ascii", [start, *further]
    extended = re.match(rb"\s*ISO.?2022", first, re.IGNORECASE)  # DICOM's word for a set that shifts are used with
    return _ISO2022 + ",".join([start, *further]) if further or extended or start == "jisx0201" else start


@lru_cache(maxsize=256)
def splittable(charset: str) -> bool:
    """Whether Python knows this codec and every byte below 0x80 is ASCII in it, so that delimiters are themselves."""
    try:
        return _SPLITTABLE.fullmatch(codecs.lookup(charset).name) is not None
    except LookupError:
        return False


@lru_cache(maxsize=256)
def usable(charset: str) -> bool:
    """Whether messages can be read and written in the set of this name."""
    return splittable(charset) or charset in _WHOLE or charset.startswith(_ISO2022)


def possible(charset: str) -> bool:
    """Whether a message whose frame begins with the bytes MSH can be in this set at all: not UTF-16 nor UTF-32."""
    return charset not in _NO_FRAME


@lru_cache(maxsize=256)
def sets_of(charset: str) -> tuple[str, ...]:
    """The sets that a name stands for: the one it starts with, and those that shifts reach."""
    return tuple(charset.removeprefix(_ISO2022).split(","))


def settled(charset: str, raw: bytes, escape: bytes) -> str:
    """The set that these bytes need: of one with shifts the first alone, where no shift stands in them."""
    if not charset.startswith(_ISO2022) or iso2022.has_shift(raw, escape):
        return charset
    start = sets_of(charset)[0]
    return start if start != "jisx0201" or not raw.isascii() else "ascii"


def decodable(raw: bytes, codec: str) -> bool:
    """Whether these bytes are text in this codec. ASCII is, in every codec that a message can be split in."""
    if not splittable(codec):
        return False
    if raw.isascii():
        return True
    try:
        for _ in decoded(raw, codec):
            pass
    except UnicodeDecodeError:
        return False
    return True


def decode(raw: bytes, charset: str, field: bytes = b"|", escape: bytes = b"\\", *, whole: bool = True) -> str:
    """The text of a message in any set. Raises UnicodeDecodeError with the offset of the first byte that is no text.

    `field` and `escape` are MSH-1 and the escape character of MSH-2; `whole=False` as in `engine.hl7.iso2022.decode`.
    """
    if charset.startswith(_ISO2022):
        return iso2022.decode(raw, sets_of(charset)[0], field, escape, whole=whole)
    return iso2022.text_in(raw, charset)


def encode(text: str, charset: str, escape: str = "\\") -> bytes:
    """Text as bytes of any set. Raises UnicodeEncodeError where the set lacks a character or would not give it back.

    `escape` is the escape character of MSH-2, with which a shift may be written.
    """
    if charset.startswith(_ISO2022):
        return iso2022_writing.encode(text, sets_of(charset), escape)
    raw = iso2022.bytes_of(text, charset)
    if _one_way(charset) and not _reads_back(raw, charset, text):
        raise UnicodeEncodeError(charset, text, 0, len(text), "it would not read back")
    return raw


def has(chars: Collection[str], charset: str) -> set[str]:
    """Those of the characters that the set has, each for itself. Fast for a hundred thousand as well."""
    if charset.startswith(_ISO2022):
        return iso2022_writing.has(chars, sets_of(charset))
    return iso2022.in_set(chars, charset).union(filter(str.isascii, chars))


def _reads_back(raw: bytes, charset: str, text: str) -> bool:
    try:
        return decode(raw, charset) == text
    except UnicodeDecodeError:
        return False


@lru_cache(maxsize=64)
def word_of(charset: str) -> bytes:
    """MSH-18 for a set (table 0211), with `~` between repetitions."""
    return b"~".join(_word(name) for name in sets_of(charset))


def _word(name: str) -> bytes:
    known = WORDS.get(name) or codecs.lookup(name).name
    if known.startswith("iso8859-"):
        known = f"8859/{known.removeprefix('iso8859-')}"
    return known.upper().encode("ascii")


@lru_cache(maxsize=64)
def same(one: str, other: str) -> bool:
    """Whether two names are of one set, however they are spelled."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return name if name.startswith(_ISO2022) or name == "jisx0201" else codecs.lookup(name).name


@lru_cache(maxsize=64)
def _one_way(charset: str) -> bool:
    """Whether a set may write what it does not read: those of several bytes to a character do, but for UTF-8."""
    name = _plain(charset)
    return name != "utf-8" and (name in _DOUBLE_BYTE or not _SINGLE.fullmatch(name))
