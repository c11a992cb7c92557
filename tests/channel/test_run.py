"""The order always leaves (D1), and a needed step that fails ends the message, named."""

from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import BaseModel

from engine.channel.model import Channel
from engine.channel.outcome import Status
from engine.channel.run import run
from engine.channel.site import load_site
from engine.errors import Unreadable
from engine.hl7.message import Message
from engine.source import read_yaml
from engine.steps.draft import Origin, StoreFacts

SITE = Path(__file__).parents[2]
RAW = (SITE / "channels/samples/orm_ct_abdomen.hl7").read_bytes()
ORIGIN = Origin(1, 1, "ris", 0, "HOSP", ("MR",), strip_zeros=False, zone="UTC")


class _Spoil(BaseModel):
    """A step that writes and then, perhaps, throws."""

    step: Literal["spoil"] = "spoil"
    best_effort: bool = True
    needs_context: ClassVar[bool] = False
    throws: bool = False

    def apply(self, draft, mappings):  # noqa: ARG002 - every step has this form
        changed = draft._replace(message=draft.message.with_value("OBR-13", "spoilt"))
        if self.throws:
            raise ZeroDivisionError("CANARY")
        return changed


@pytest.fixture(scope="module")
def site():
    loaded = load_site(SITE).site
    assert loaded is not None
    return loaded


def _run(site, step, elapsed=lambda: 0.0, acceptable=lambda _before, _after: ""):
    channel = Channel.model_construct(channel="c", steps=(step,), to=("pacs",), from_="ris")
    message = Message.parse(RAW)
    return run(channel, message, None, site.mappings, ORIGIN, elapsed=elapsed, acceptable=acceptable)


def test_a_best_effort_step_that_throws_leaves_the_order_as_it_came(site):
    """TRANSFORMED, the same bytes, one alert without the exception's words."""
    outcome = _run(site, _Spoil(throws=True))
    assert (outcome.status, outcome.enrichment) == (Status.TRANSFORMED, "failed")
    assert outcome.message.to_er7() == RAW
    assert [alert.kind for alert in outcome.alerts] == ["enrichment_failed"]
    assert "CANARY" not in repr(outcome)


def test_a_best_effort_step_over_250_ms_is_left_out(site):
    """Its work is dropped; one that stays below is kept."""
    late, early = iter([0.0, 0.3]), iter([0.0, 0.2])
    assert _run(site, _Spoil(), elapsed=lambda: next(late)).message.to_er7() == RAW
    assert _run(site, _Spoil(), elapsed=lambda: next(early)).message.get("OBR-13") == "spoilt"


def test_what_the_destination_would_refuse_is_left_out(site):
    """The check of charset, length and grammar decides about the result, not about the order."""
    outcome = _run(site, _Spoil(), acceptable=lambda _before, _after: "too long for pacs")
    assert outcome.message.to_er7() == RAW
    assert outcome.alerts[0].text.endswith("too long for pacs")


def test_a_needed_step_that_throws_fails_the_message_as_a_surprise(site):
    """FAILED, no effect, nothing leaves, and an alert at once (C11)."""
    outcome = _run(site, _Spoil(throws=True, best_effort=False))
    assert (outcome.status, outcome.surprise, outcome.message, outcome.effects) == (Status.FAILED, True, None, ())
    assert outcome.reason == "surprise: ZeroDivisionError"


def test_what_a_step_raises_by_name_is_told_in_its_words(site):
    """An error of ours has no content in it; a needed step fails the message, a best-effort one is left out."""

    class _Odd(_Spoil):
        def apply(self, draft, mappings):  # noqa: ARG002 - every step has this form
            raise Unreadable("OBX-5: no number")

    needed = _run(site, _Odd(best_effort=False))
    assert (needed.status, needed.step, needed.reason, needed.surprise) == (
        *(Status.FAILED, "spoil", "OBX-5: no number"),
        False,
    )
    left = _run(site, _Odd())
    assert (left.status, left.message.to_er7()) == (Status.TRANSFORMED, RAW)
    assert [alert.text for alert in left.alerts] == ["spoil: OBX-5: no number"]


# conditions

CONDITIONAL = """\
channel: c
from: ris
accept: {MSH-9: ORM}
steps:
  - {step: set_field, path: MSH-5, value: FIRST}
  - {step: set_field, path: MSH-6, value: CT ROOM, when: {OBR-24: CT}}
  - {step: set_field, path: PV1-2, value: E, when: {not: {OBR-24: [CT, MR]}}}
  - {step: set_field, path: OBR-30, value: WALK, when: {MSH-5: FIRST, any: [{OBR-24: MR}, {PID-8: F}]}}
"""


def _channel(yaml, **changes):
    return Channel.model_validate({**read_yaml(yaml, "x").content, **changes})


def _outcome(site, channel, raw=RAW, context=None):
    return run(channel, Message.parse(raw), context, site.mappings, ORIGIN, elapsed=lambda: 0.0)


def test_a_step_is_done_where_its_condition_holds(site):
    """Conditions are judged one by one, over the message as the steps before left it."""
    done = _outcome(site, _channel(CONDITIONAL, to=["pacs"]))
    assert [done.message.get(path) for path in ("MSH-5", "MSH-6", "PV1-2", "OBR-30")] == [
        "FIRST",
        "CT ROOM",
        "O",
        "WALK",
    ]
    other = _outcome(
        site, _channel(CONDITIONAL, to=["pacs"]), RAW.replace(b"||||CT|", b"||||US|").replace(b"|F\r", b"|M\r")
    )
    assert [other.message.get(path) for path in ("MSH-5", "MSH-6", "PV1-2", "OBR-30")] == ["FIRST", "HOSP", "E", ""]


def test_a_step_that_cannot_be_done_is_no_failure_where_it_is_left_out(site):
    """Control: without its condition the same step fails the message."""
    yaml = """\
channel: c
from: ris
accept: {MSH-9: ORM}
steps:
  - {step: set_field, path: ZZZ-1, value: x%s}
"""
    assert _outcome(site, _channel(yaml % ", when: {ZZZ: {exists: yes}}")).status is Status.TRANSFORMED
    assert _outcome(site, _channel(yaml % "")).status is Status.FAILED


def test_a_condition_that_cannot_be_read_keeps_no_order_back(site):
    """`when:` of a best-effort step is part of it: the order leaves with an alert (D1); before a needed step it fails."""
    yaml = """\
channel: c
from: ris
accept: {MSH-9: ORM}
steps:
  - {step: %s, when: {PID-5.1: DOE}}
"""
    raw = RAW.replace(b"DOE^JANE", b"D\xd6E^JANE")
    outcome = _outcome(site, _channel(yaml % "store_facts", to=["pacs"]), raw)
    assert (outcome.status, outcome.message.to_er7()) == (Status.TRANSFORMED, raw)
    assert [alert.kind for alert in outcome.alerts] == ["enrichment_failed"]
    needed = _outcome(site, _channel(yaml % "set_field, path: MSH-5, value: X", to=["pacs"]), raw)
    assert (needed.status, needed.step) == (Status.FAILED, "set_field")


# store_facts: needed in a channel that keeps, best effort in one that sends

KEEPING = """\
channel: c
from: lab
accept: {MSH-9: ORU}
steps:
  - {step: store_facts, kinds: [lab]}
  - {step: set_field, path: MSH-5, value: PAGER}
"""
RESULT = (SITE / "channels/samples/oru_egfr_24.hl7").read_bytes()
NOBODY = RESULT.replace(b"12345^^^HOSP^MR", b"")


def test_facts_that_cannot_be_kept_fail_the_message_in_a_channel_that_keeps(site):
    """Nothing is left for anybody else to do."""
    outcome = _outcome(site, _channel(KEEPING), NOBODY)
    assert (outcome.status, outcome.step, outcome.path) == (Status.FAILED, "store_facts", "PID-3")


def test_facts_that_cannot_be_kept_let_the_message_leave_in_a_channel_that_sends(site):
    """D1: the alert says why, the steps after it are done, and no fact is kept."""
    outcome = _outcome(site, _channel(KEEPING, to=["pacs"]), NOBODY)
    assert (outcome.status, outcome.destinations, outcome.effects) == (Status.TRANSFORMED, ("pacs",), ())
    assert outcome.message.to_er7() == NOBODY.replace(b"BACKSTORY", b"PAGER")
    (alert,) = outcome.alerts
    assert (alert.kind, alert.text) == (
        "enrichment_failed",
        "store_facts: PID-3: no identifier of the patient; one is wanted",
    )


def test_facts_that_can_be_kept_are_kept_in_both(site):
    """Best effort does its work where it can."""
    for channel in (_channel(KEEPING), _channel(KEEPING, to=["pacs"])):
        (effect,) = _outcome(site, channel, RESULT).effects
        assert isinstance(effect, StoreFacts)
        assert [fact.concept for fact in effect.facts if fact.kind == "lab"] == ["egfr"]


def test_a_channel_that_keeps_may_say_that_it_need_not(site):
    """`best_effort: yes` in a channel without `to:`."""
    channel = _channel(KEEPING.replace("kinds: [lab]", "kinds: [lab], best_effort: yes"))
    assert _outcome(site, channel, NOBODY).status is Status.TRANSFORMED
