"""Character sets: from the words of MSH-18 (table 0211) to a codec, and which codecs a message can be split in."""

import codecs
import re
from functools import lru_cache

# Table 0211, and the spellings that senders use. A set is named only if every byte below 0x80 is ASCII in it, wherever it
# stands: in BIG-5, GB 18030, ISO IR87 or UTF-16 a delimiter may be half of another character, and splitting would cut it.
_CODECS = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "ISOIR6": "ascii",
    "UNICODE": "utf-8",  # the deprecated word; what starts with the bytes MSH can be no other encoding of Unicode
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    "ISOIR192": "utf-8",
    "KSX1001": "euc_kr",
    "ISOIR149": "euc_kr",
    "WINDOWS1252": "cp1252",
    "CP1252": "cp1252",
}
_LATIN = re.compile(r"(?:ISO)?8859([1-9]|1[0-6])")
_WORD = re.compile(rb"[A-Za-z0-9 /_.:-]*")
_SPLITTABLE = re.compile(
    "utf-8|ascii|iso8859-[0-9]+|cp125[0-8]|cp437|cp85[0258]|cp86[0-356]|koi8-[ru]|euc_kr|euc_jp|gb2312"
)


@lru_cache(maxsize=256)
def codec_of(msh18: bytes) -> str | None:
    """The Python codec of the first repetition of MSH-18; None where the field is empty, unknown or cannot be split.

    Table 0211. Which of the three it was is for the caller to say: an empty field is told by `not msh18`.
    """
    match = _WORD.match(msh18)
    word = re.sub(r"[ /_.:-]", "", (match[0] if match else b"").decode("ascii")).upper()
    latin = _LATIN.fullmatch(word)
    if latin:
        return None if latin[1] == "12" else f"iso8859_{latin[1]}"  # part 12 was never published
    return _CODECS.get(word)


@lru_cache(maxsize=256)
def splittable(charset: str) -> bool:
    """Whether Python knows this codec and every byte below 0x80 is ASCII in it, so that delimiters are themselves."""
    try:
        return _SPLITTABLE.fullmatch(codecs.lookup(charset).name) is not None
    except LookupError:
        return False


def decodable(raw: bytes, codec: str) -> bool:
    """Whether these bytes are text in this codec. ASCII is, in every codec that a message can be split in."""
    if not splittable(codec):
        return False
    if raw.isascii():
        return True
    try:
        raw.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
