"""Operator's acts and deferred results, as they stand in the journal: JSON in an entry of kind OPERATOR (D12b)."""

import base64
import binascii
import hashlib
import json
from typing import Any, NamedTuple

from engine.channel.ports import Entry, Kind, OutcomeNote
from engine.hl7.charset import usable

LISTENER = "backstory"  # the internal listener that they come through
VALIDATE, RELEASED, DISMISSED = "validate", "released", "dismissed"  # kinds of notes
RELEASE = b"release\0\0"  # how the identity of a release begins
PROCESSED = ", processed as entry "  # in the text of the note of what was settled without a release
RELEASE_BODY = b'{"act": "release"'  # ... and its body
ONCE = frozenset({RELEASED, DISMISSED})  # what is done once to an entry, however often it is asked for


class Release(NamedTuple):
    """A quarantined message that a person lets through: the entry to run channels over, and the note for the original.

    The entry has the position and the received time of the release, and everything else of the original.
    """

    entry: Entry
    note: OutcomeNote

    def __repr__(self) -> str:
        return f"Release({self.entry!r} of {self.note.entry})"


def note_body(entry: int, channel: str, run: int, kind: str, text: str) -> bytes:
    """What to append so that a note is attached to an outcome; `text` is fixed sentences and paths, never content."""
    return _body(act="note", entry=entry, channel=channel, run=run, kind=kind, text=text)


def release_body(
    original: Entry, message: bytes, charset: str, *, number: int, of: int, who: str, again: bool = False
) -> bytes:
    """What to append so that a quarantined message, or one of a batch, goes through the channels of its listener.

    It carries the message, so that it stands for itself when the original is trimmed. `again`: also where the message
    was processed before, which the person has decided.
    """
    body = base64.b64encode(message).decode("ascii")
    place: dict[str, object] = {"entry": original.position, "number": number, "of": of, "listener": original.listener}
    if again:
        place["again"] = True
    return _body(act="release", peer=original.peer, charset=charset, who=who, body=body, **place)


def processed_body(release: bytes, entry: int) -> bytes:
    """What to append instead of a release whose message was processed as this entry: it settles the original, no more.

    It has the identity of the release: what is settled is known from then on as what was let through is.
    """
    words = words_in(release)
    return _body(act="release", processed=entry, **{name: words.get(name) for name in ("entry", "number", "of", "who")})


def dismiss_body(entry: int, because: str, who: str) -> bytes:
    """What to append so that nobody is called for a quarantined entry any more; the reason stays in this entry."""
    return _body(act="dismiss", entry=entry, because=because, who=who)


def released_identity(listener: str, digest: bytes) -> bytes:
    """The identity of a release, by which the journal knows that a message was let through; `digest` is its sha256."""
    return RELEASE + hashlib.sha256(listener.encode() + b"\0" + digest).digest()


def command_identity(command: str) -> bytes:
    """The identity of an act that has none of its own: the id of the command that asked for it (D17)."""
    return b"command\0\0" + command.encode("utf-8", "replace")


def identity_of(body: bytes) -> bytes:
    """The identity of an operator's entry; b"" where its act has none of its own."""
    words = words_in(body)
    if words.get("act") != "release":
        return b""
    try:
        message = base64.b64decode(words["body"], validate=True)
        return released_identity(str(words["listener"]), hashlib.sha256(message).digest())
    except (KeyError, TypeError, ValueError, binascii.Error):
        return b""


def read(entry: Entry) -> OutcomeNote | Release | str:
    """The act that the entry carries, or why it carries none."""
    words = words_of(entry)
    act = words.get("act")
    if act == "note":
        return _note(entry, words)
    if act == "release":
        return _processed(entry, words) if "processed" in words else _release(entry, words)
    if act == "dismiss":
        if not _positive(words.get("entry")):
            return "a dismissal needs an entry"
        return OutcomeNote(words["entry"], "", 1, entry.position, DISMISSED, "by a person")
    return "the act is not known"


def text_of(number: int, of: int, *, again: bool = False, processed: int = 0) -> str:
    """The text of the note that a release leaves for its original."""
    which = f"message {number} of {of}"
    return f"{which}{PROCESSED}{processed}" if processed else f"{which}, again" if again else which


def words_of(entry: Entry) -> dict[str, Any]:
    """The JSON object of an operator's entry, empty where it is none."""
    return words_in(entry.body)


def words_in(body: bytes) -> dict[str, Any]:
    """The JSON object that the bytes are, empty where they are none."""
    try:
        words = json.loads(body)
    except ValueError:
        return {}
    return words if isinstance(words, dict) else {}


def _body(**words: object) -> bytes:
    return json.dumps(words, sort_keys=True).encode("ascii")


def _positive(number: object) -> bool:
    return isinstance(number, int) and number > 0


def _note(entry: Entry, words: dict[str, Any]) -> OutcomeNote | str:
    texts = [words.get(name) for name in ("channel", "kind", "text")]
    if not all(_positive(words.get(name)) for name in ("entry", "run")):
        return "a note needs an entry and a run"
    if not all(isinstance(text, str) for text in texts) or words["kind"] != VALIDATE:
        return "a note needs a channel, a text and a known kind"
    return OutcomeNote(words["entry"], words["channel"], words["run"], entry.position, words["kind"], words["text"])


def _release(entry: Entry, words: dict[str, Any]) -> Release | str:
    if not all(_positive(words.get(name)) for name in ("entry", "number", "of")):
        return "a release needs an entry and which of its messages"
    listener, peer, charset, body = (words.get(name) for name in ("listener", "peer", "charset", "body"))
    if not (isinstance(listener, str) and isinstance(peer, str) and isinstance(charset, str) and usable(charset)):
        return "a release needs a listener, a peer and a character set"
    try:
        message = base64.b64decode(body or "", validate=True)
    except (TypeError, ValueError, binascii.Error):
        return "a release needs a message"
    released = entry._replace(listener=listener, peer=peer, body=message, charset=charset, kind=Kind.MESSAGE)
    text = text_of(words["number"], words["of"], again=bool(words.get("again")))
    return Release(released, OutcomeNote(words["entry"], "", 1, entry.position, RELEASED, text))


def _processed(entry: Entry, words: dict[str, Any]) -> OutcomeNote | str:
    if not all(_positive(words.get(name)) for name in ("entry", "number", "of", "processed")):
        return "a message that was processed needs an entry, which of its messages, and as what"
    text = text_of(words["number"], words["of"], processed=words["processed"])
    return OutcomeNote(words["entry"], "", 1, entry.position, RELEASED, text)
