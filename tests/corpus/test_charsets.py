"""The public messages through receive and the channels towards receivers of several sets: U+FFFD comes up nowhere."""

from pathlib import Path

import pytest

from engine.channel.ports import LIVE
from engine.channel.process import NOTHING, load, process
from engine.channel.receive import ListenerRules, judge, receive
from engine.channel.site import load_site
from engine.cli.message_page import message_page
from engine.cli.site import Readers
from engine.hl7.received import delivered
from engine.mllp.framing import Framed, FrameEvent
from engine.store.memory import MemoryJournal, MemoryStore
from tests.corpus_files import corpus_files, needs_corpus

NOW = 1_787_131_860_000_000
REPLACEMENT = "\ufffd"


@needs_corpus
@pytest.mark.parametrize("charset", ["utf-8", "iso8859_1", "ascii", "iso2022:ascii,jisx0208"])
def test_the_corpus_holds_no_replacement_character_afterwards(charset: str) -> None:
    """Not in what leaves, not in a fact, not on a page, unless the sender wrote it."""
    site = load_site(Path(__file__).parents[2]).site
    assert site is not None
    pacs = site.config.destinations["pacs"].model_copy(update={"charset": charset})
    site = site._replace(config=site.config.model_copy(update={"destinations": {"pacs": pacs}}))
    journal, store = MemoryJournal(), MemoryStore()
    files = [file for file in corpus_files() if REPLACEMENT.encode() not in file.raw]
    listeners = ("adt", "lab", "pharmacy", "documents")
    for number, file in enumerate(files):
        listener = "ris" if b"|O" in file.raw[:120] else listeners[number % 4]
        rules = ListenerRules(listener, frozenset({b"P", b"T", b"D"}), "iso8859_1")
        with journal.transaction() as tx:
            receive(tx, [judge(FrameEvent(Framed.FRAME, file.raw, "", -1), rules, "p:1", NOW + number)])
    state = load(site, store, journal, "I1")
    while process(state, journal, store, now=lambda: NOW, elapsed=lambda: 0.0) is not NOTHING:
        pass
    assert [cursor.position for cursor in store.cursors() if cursor.name == LIVE] == [journal.tails()[0]]
    sent = store.outbox("pacs", 0, 0, 10_000)
    assert len(sent) > 50
    for row in sent:
        message = delivered(row.body)
        assert REPLACEMENT not in message.raw.decode(message.charset)
        assert message.get("MSH-10") == row.control_id
    assert not [fact for facts in store._facts.values() for fact in facts.values() if REPLACEMENT in str(tuple(fact))]
    readers = Readers(journal, store)
    for entry in journal.read(0, 0, 10_000, 1 << 40)[::20]:
        assert REPLACEMENT not in "\n".join(message_page(readers, entry, raw=True))
