"""Letting a quarantined entry through: which messages it holds, and in words why it cannot be let through."""

from engine.channel.examine import charset_in
from engine.channel.limits import exceeded
from engine.channel.operator_acts import dismiss_body, release_body
from engine.channel.ports import Entry, Kind
from engine.channel.verdict import ListenerRules
from engine.errors import Rejected, Unreadable
from engine.hl7.batch import is_batch, split_batch
from engine.hl7.charset import charset_of, usable
from engine.hl7.msh import scan_msh

_CUT = ("cut_off", "too_long", "utf_16")


def releases(
    entry: Entry, charset: str, who: str, rules: ListenerRules | None = None, *, again: bool = False
) -> list[bytes]:
    """The operator's entries that release this one: one for each message it holds.

    Args:
        entry: as quarantined.
        charset: a word of table 0211 or a codec; "" = as the message says, where that can be read.
        who: the person.
        rules: of the listener as it is configured now; None: of one of which nothing is said.
        again: also what was processed before.

    Raises:
        Rejected: it cannot be released; the text says why and what can be done instead.
    """
    _quarantined(entry)
    flag = next((word for word in entry.flags.split() if word in _CUT), "")
    if flag:
        raise Rejected(f"entry {entry.position} is no whole message ({flag}): its sender must send it again")
    messages = split_batch(entry.body).messages if is_batch(entry.body) else (entry.body,)
    if not messages:
        raise Rejected(f"entry {entry.position} is a batch without a message")
    rules = rules or ListenerRules(entry.listener)
    if charset:
        rules = rules._replace(override=_named(charset))
    found = [_message(entry, raw, rules, number, named=bool(charset)) for number, raw in enumerate(messages, 1)]
    return [
        release_body(entry, raw, codec, number=number, of=len(found), who=who, again=again)
        for number, (raw, codec) in enumerate(found, 1)
    ]


def dismissal(entry: Entry, because: str, who: str) -> bytes:
    """The operator's entry by which nobody is called for this one any more. Raises Rejected where nobody is."""
    _quarantined(entry)
    if not because.strip():
        raise Rejected("a dismissal needs a reason")
    return dismiss_body(entry.position, because.strip(), who)


def _quarantined(entry: Entry) -> None:
    if entry.kind is not Kind.QUARANTINED:
        raise Rejected(f"entry {entry.position} is not quarantined")


def _message(entry: Entry, raw: bytes, rules: ListenerRules, number: int, *, named: bool) -> tuple[bytes, str]:
    """The message and the set it is in: as it was read when it came, unless a person names another."""
    place = f"message {number} of entry {entry.position}" if is_batch(entry.body) else f"entry {entry.position}"
    try:
        msh = scan_msh(raw)
    except Unreadable:
        raise Rejected(f"{place} has no MSH that can be read: its sender must mend it and send it again") from None
    if exceeded(raw, msh, rules.limits):
        raise Rejected(f"{place} has more segments, fields or bytes than a message may have: it cannot be processed")
    if entry.charset and not named:
        return raw, entry.charset
    found = charset_in(raw, msh, rules)
    if found.code != "AA":
        declared = charset_of(msh.charset, msh.encoding[1:2]) if msh.charset else rules.charset
        tried = rules.override or declared or "a character set that is known"
        raise Rejected(f"{place} is no text in {tried}; name its character set with --charset, such as 8859/1")
    return raw, found.charset


def _named(charset: str) -> str:
    found = charset_of(charset.encode("ascii", "replace")) or charset
    if not usable(found):
        raise Rejected("this is no character set that a message can be in; write one such as 8859/1 or UTF-8")
    return found
