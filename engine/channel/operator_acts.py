"""Operator's acts and deferred results, as they stand in the journal: JSON in an entry of kind OPERATOR (D12b)."""

import json
from typing import Any

from engine.channel.ports import Entry, OutcomeNote

LISTENER = "backstory"  # the internal listener that they come through


def note_body(entry: int, channel: str, run: int, kind: str, text: str) -> bytes:
    """What to append so that a note is attached to an outcome; `text` is fixed sentences and paths, never content."""
    words = {"act": "note", "entry": entry, "channel": channel, "run": run, "kind": kind, "text": text}
    return json.dumps(words, sort_keys=True).encode("ascii")


def read(entry: Entry) -> OutcomeNote | str:
    """The note that the entry carries, or why it carries none."""
    try:
        words = json.loads(entry.body)
    except ValueError:
        return "the act is no JSON"
    if not isinstance(words, dict) or words.get("act") != "note":
        return "the act is not known"
    return _note(entry, words)


def _note(entry: Entry, words: dict[str, Any]) -> OutcomeNote | str:
    numbers = [words.get(name) for name in ("entry", "run")]
    texts = [words.get(name) for name in ("channel", "kind", "text")]
    if not all(isinstance(number, int) and number > 0 for number in numbers):
        return "a note needs an entry and a run"
    if not all(isinstance(text, str) for text in texts) or words["kind"] != "validate":
        return "a note needs a channel, a text and a known kind"
    return OutcomeNote(words["entry"], words["channel"], words["run"], entry.position, words["kind"], words["text"])
