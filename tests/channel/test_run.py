"""The order always leaves (D1), and a needed step that fails ends the message, named."""

from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import BaseModel

from engine.channel.model import Channel
from engine.channel.outcome import Status
from engine.channel.run import run
from engine.channel.site import load_site
from engine.hl7.message import Message
from engine.steps.draft import Origin

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


def _run(site, step, elapsed=lambda: 0.0, acceptable=lambda _: ""):
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
    outcome = _run(site, _Spoil(), acceptable=lambda _: "too long for pacs")
    assert outcome.message.to_er7() == RAW
    assert outcome.alerts[0].text.endswith("too long for pacs")


def test_a_needed_step_that_throws_fails_the_message_as_a_surprise(site):
    """FAILED, no effect, nothing leaves, and an alert at once (C11)."""
    outcome = _run(site, _Spoil(throws=True, best_effort=False))
    assert (outcome.status, outcome.surprise, outcome.message, outcome.effects) == (Status.FAILED, True, None, ())
    assert outcome.reason == "surprise: ZeroDivisionError"
