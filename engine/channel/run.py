"""Run a channel over a message: pure, the same call for live traffic, tests, replay and dry runs.

A needed step that fails ends the message in this channel, FAILED. A best-effort step that fails leaves the draft as it
was before it, and the order leaves (D1).
"""

from collections.abc import Callable

from engine.channel.model import Channel, Stage
from engine.channel.outcome import Outcome, Status
from engine.errors import BackstoryError, StepError
from engine.hl7.message import Message
from engine.patient.context import PatientContext
from engine.steps.draft import Alert, Draft, Origin
from engine.steps.mappings import Mappings

BEST_EFFORT_LIMIT = 0.250
"""Seconds a best-effort step may take before its work is left out (D1)."""


def run(
    channel: Channel,
    message: Message,
    context: PatientContext | None,
    mappings: Mappings,
    origin: Origin,
    *,
    elapsed: Callable[[], float],
    enrich: bool = True,
    acceptable: Callable[[Message, Message], str] = lambda _before, _after: "",
) -> Outcome:
    """The outcome of one message.

    Args:
        channel: whose steps run, in order.
        message: as it came, or as an earlier step of another site left it.
        context: the patient's cluster; None where no step of the channel needs it.
        mappings: the site's tables, concepts, exams, rules.
        origin: the entry and its listener's rules.
        elapsed: a monotonic clock in seconds, used for D1's limit only.
        enrich: the site's switch (D25).
        acceptable: says "" or why the destinations would refuse what a best-effort step made of a message (D1); called with
            both.
    """
    draft = Draft(message, origin, context, enrich)
    for stage in channel.stages:
        try:
            if stage.best_effort:
                draft = _attempt(stage, draft, mappings, elapsed, acceptable)
            elif stage.holds(draft.message):
                draft = stage.step.apply(draft, mappings)
        except StepError as problem:
            return _failed(channel, draft, problem.step, problem.path, problem.problem)
        except BackstoryError as problem:
            return _failed(channel, draft, stage.name, "", str(problem))
        except Exception as surprise:  # noqa: BLE001 - the channel boundary of docs/architecture.md
            outcome = _failed(channel, draft, stage.name, "", f"surprise: {type(surprise).__name__}")
            alert = Alert("surprise", "a step raised an exception that nobody named")
            return outcome._replace(surprise=True, alerts=(*outcome.alerts, alert))
    return _outcome(channel, draft, Status.TRANSFORMED)


def _attempt(
    stage: Stage,
    draft: Draft,
    mappings: Mappings,
    elapsed: Callable[[], float],
    acceptable: Callable[[Message, Message], str],
) -> Draft:
    began = elapsed()
    try:
        after = stage.step.apply(draft, mappings) if stage.holds(draft.message) else draft
        late = elapsed() - began > BEST_EFFORT_LIMIT
        refused = "" if late or after.message is draft.message else acceptable(draft.message, after.message)
    except StepError as problem:
        return _left_out(draft, stage.name, f"{problem.path}: {problem.problem}" if problem.path else problem.problem)
    except BackstoryError as problem:
        return _left_out(draft, stage.name, str(problem))
    except Exception as surprise:  # noqa: BLE001 - the channel boundary: the order always leaves (D1)
        return _left_out(draft, stage.name, f"surprise: {type(surprise).__name__}")
    if late:
        return _left_out(draft, stage.name, "it took longer than 250 ms")
    return _left_out(draft, stage.name, refused) if refused else after


def _left_out(draft: Draft, step: str, why: str) -> Draft:
    alert = Alert("enrichment_failed", f"{step}: {why}")
    return draft._replace(enrichment="failed", alerts=(*draft.alerts, alert))


def _failed(channel: Channel, draft: Draft, step: str, path: str, reason: str) -> Outcome:
    outcome = _outcome(channel, draft, Status.FAILED)
    return outcome._replace(step=step, path=path, reason=reason, effects=(), message=None)


def _outcome(channel: Channel, draft: Draft, status: Status) -> Outcome:
    leaves = status is Status.TRANSFORMED
    return Outcome(
        channel=channel.channel,
        status=status,
        message=draft.message if leaves else None,
        destinations=channel.to if leaves else (),
        effects=draft.effects if leaves else (),
        enrichment=draft.enrichment,
        flags=draft.flags,
        alerts=draft.alerts,
    )
