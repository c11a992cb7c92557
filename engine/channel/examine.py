"""Judge a frame in any set: as its bytes, or read as a whole where a delimiter may be half of a character.

BIG-5, GB 18030, Shift JIS and the shifts of ISO 2022 are such sets. Their messages are judged, answered and processed as
UTF-8; what the journal keeps, and what the answer mirrors, are the sender's own bytes.
"""

from functools import lru_cache

from engine.channel.declared import Found, is_utf8, judge_charset, overridden
from engine.channel.limits import Limits, located
from engine.channel.verdict import ListenerRules, Verdict, verdict
from engine.errors import Unreadable
from engine.hl7.charset import charset_of, decodable, possible, sets_of, settled, splittable
from engine.hl7.charset_names import WIDER
from engine.hl7.msh import Msh, scan_msh
from engine.hl7.received import before, opened, own_control_id, written_back

SHIFTS = 20_000  # escape sequences in one message: each costs microseconds
_COMPARED = 1024 * 1024  # bytes up to which it is said whether a message would be written back as it came
_LOOKED_AT = 8  # fields behind MSH-17 in which MSH-18 is looked for


def examine(raw: bytes, msh: Msh, rules: ListenerRules, vt_at: int = -1) -> tuple[Msh, Verdict]:
    """The header to answer by, and the verdict. `vt_at` is the offset of a VT that is content, -1 for none."""
    charset = _hiding(raw, msh, rules)
    if not charset:
        return msh, verdict(raw, msh, rules, vt_at)
    if charset.startswith("iso2022:") and _shifts(raw, msh.encoding[2:3]) > SHIFTS:
        return msh, Verdict("AR", "104")
    body, charset = _read_as(raw, msh, charset)
    if isinstance(body, Found):
        return msh, verdict(raw, msh, rules, vt_at, body)
    return _judged(raw, body, rules, vt_at, charset)


def charset_in(raw: bytes, msh: Msh, rules: ListenerRules) -> Found:
    """The set of a message alone, as `examine` finds it, whatever else would be thought of the message."""
    charset = _hiding(raw, msh, rules)
    if not charset:
        return judge_charset(raw, msh, rules.charset, rules.override)
    body, charset = _read_as(raw, msh, charset)
    return body if isinstance(body, Found) else Found("AA", charset=charset)


def _shifts(raw: bytes, escape: bytes) -> int:
    """How many shifts there are at most."""
    return raw.count(b"\x1b") + raw.count(escape + b"C") + raw.count(escape + b"M")


def _judged(raw: bytes, body: bytes, rules: ListenerRules, vt_at: int, charset: str) -> tuple[Msh, Verdict]:
    inside = scan_msh(body)
    inside = inside._replace(codec=charset, own_id=own_control_id(raw, charset, inside.control_id))
    flags = overridden(body, inside, charset) if rules.override else ()
    if not rules.override and not inside.charset:
        flags = ("charset_assumed",)
    declared = charset_of(inside.charset, inside.encoding[1:2])
    if declared and WIDER.get(sets_of(declared)[0]) == charset:
        flags += ("charset_wider",)
    if len(raw) <= _COMPARED and not written_back(body, raw, charset):
        flags += ("charset_respelled",)
    if vt_at >= 0:
        vt_at = _nth(body, b"\x0b", raw.count(b"\x0b", 0, vt_at))
    rules = rules._replace(limits=_as_it_came(rules.limits, len(raw), len(body)))
    return inside, verdict(body, inside, rules, vt_at, Found("AA", charset=charset, flags=flags))


def _as_it_came(limits: Limits, came: int, now: int) -> Limits:
    """The limits for a message that was so many bytes and is so many in UTF-8: a field's bytes are counted as they came."""
    if now <= limits.field_bytes:
        return limits
    return limits._replace(field_bytes=now if came <= limits.field_bytes else limits.field_bytes * now // came)


def _hiding(raw: bytes, msh: Msh, rules: ListenerRules) -> str:
    """The set to read the message in as a whole; "" where it can be split as bytes."""
    if rules.override:
        return _whole(rules.override, raw, msh)
    if msh.charset:
        declared = _declared(msh.charset, msh.encoding[1:2])
        if declared is not None:
            return declared and _whole(declared, raw, msh)
    elif rules.charset != "utf-8" and not splittable(rules.charset):
        return _shifted_header(raw, msh) or _default(raw, msh, rules.charset)
    return "" if raw.isascii() and b"\x1b" not in raw else _shifted_header(raw, msh)


@lru_cache(maxsize=256)
def _declared(msh18: bytes, repetition: bytes) -> str | None:
    """The declared set where messages in it are read as a whole, "" where not, None where the word is unknown."""
    found = charset_of(msh18, repetition)
    if found is None or not possible(found):
        return found and ""
    return found if not splittable(found) or not splittable(WIDER.get(found, found)) else ""


def _whole(charset: str, raw: bytes, msh: Msh) -> str:
    found = settled(charset, raw, msh.encoding[2:3])
    if not splittable(found):
        return found
    wider = WIDER.get(found, found)
    return "" if splittable(wider) or decodable(raw, found) else wider


def _default(raw: bytes, msh: Msh, charset: str) -> str:
    """The listener's set for a message that declares none, unless it is UTF-8; shifts look like ASCII."""
    found = _whole(charset, raw, msh)
    return found if charset.startswith("iso2022:") or not is_utf8(raw, msh.encoding[2:3], charset) else ""


def _shifted_header(raw: bytes, msh: Msh) -> str:
    """The set named by the MSH-18 of a header whose own characters hide delimiters, so that it seems to stand later."""
    line = raw[: msh.end]
    if line.isascii() and b"\x1b" not in line:
        return ""
    for word in line.split(msh.separator)[18 : 18 + _LOOKED_AT]:
        found = charset_of(word, msh.encoding[1:2]) if word else None
        if found is None or splittable(found) or not possible(found):
            continue
        try:
            inside = scan_msh(opened(line, found))
        except (UnicodeDecodeError, Unreadable):
            continue
        if charset_of(inside.charset, inside.encoding[1:2]) == found:
            return _whole(found, raw, msh)
    return ""


def _read_as(raw: bytes, msh: Msh, charset: str) -> tuple[bytes | Found, str]:
    """The message as UTF-8, or why it is none, and the set it was read in: this one, or a larger of the same word."""
    body = _read(raw, msh, charset)
    wider = WIDER.get(charset, "")
    if isinstance(body, Found) and wider:
        again = _read(raw, msh, wider)
        return (body, charset) if isinstance(again, Found) else (again, wider)
    return body, charset


def _read(raw: bytes, msh: Msh, charset: str) -> bytes | Found:
    """The message as UTF-8, or why its bytes are no text of the set."""
    try:
        return opened(raw, charset)
    except UnicodeDecodeError as bad:
        text = before(raw, charset, bad.start)
        return Found("AE", "102", located(text + raw[bad.start :][:3], len(text), msh.separator))


def _nth(body: bytes, mark: bytes, number: int) -> int:
    """The offset of the mark with so many before it."""
    at = body.find(mark)
    for _ in range(number):
        at = body.find(mark, at + 1)
    return at
