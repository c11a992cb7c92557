"""What ORC-1 and ORC-5 amount to, and what a later message may change (T36, T37)."""

import pytest

from engine.order.lifecycle import CANCELLED, DONE, OPEN, settle, state_of
from engine.order.order import Order

ORDER = Order(
    "A1", "HOSP|MR|1", "A1", "P1", "F1", "V1", "NW", "SC", OPEN, "C", "CT", "CT", "ABD", "IOD", 7, 1, 1, "ris"
)


@pytest.mark.parametrize(
    ("control", "status", "state"),
    [
        ("NW", "SC", OPEN),
        ("XO", "SC", OPEN),
        ("NW", "", OPEN),
        ("SC", "IP", OPEN),
        ("XO", "CM", DONE),
        ("SC", "A", DONE),
        ("CA", "CA", CANCELLED),
        ("DC", "CA", CANCELLED),
        ("CA", "", CANCELLED),
        ("OC", "", CANCELLED),
        ("DC", "DC", CANCELLED),
        ("RP", "", CANCELLED),
        ("RO", "", OPEN),
        ("UC", "", OPEN),
        ("UD", "SC", OPEN),
        ("CA", "CM", DONE),
        ("ca", " ca ", CANCELLED),
        ("ZZ", "ZZ", OPEN),
    ],
)
def test_control_and_status_amount_to_a_state(control: str, status: str, state: str) -> None:
    """The pairs of dcm4chee, cancellations asked for and done; what is unable to cancel leaves the order open."""
    assert state_of(control, status) == state


@pytest.mark.parametrize("over", [DONE, CANCELLED])
def test_a_finished_order_is_never_reopened(over: str) -> None:
    """An NW that arrives after the CA or CM came out of order."""
    assert settle(ORDER._replace(state=over), ORDER._replace(entry=9)).state == over


def test_an_order_can_end_and_be_done_after_all() -> None:
    """Open to cancelled, and cancelled to done: the exam was made."""
    cancelled = settle(ORDER, ORDER._replace(state=CANCELLED))
    assert cancelled.state == CANCELLED
    assert settle(cancelled, ORDER._replace(state=DONE)).state == DONE


def test_a_thin_message_keeps_what_it_leaves_out() -> None:
    """A cancellation that names only the number wipes neither the exam nor its time."""
    thin = ORDER._replace(
        **dict.fromkeys(("code", "text", "modality", "region", "contrast", "placer", "visit"), ""),
        scheduled=0,
        control="CA",
        state=CANCELLED,
        entry=9,
    )
    kept = settle(ORDER, thin)
    assert kept == ORDER._replace(control="CA", state=CANCELLED, entry=9)


def test_a_newer_exam_replaces_the_older() -> None:
    """A changed procedure replaces the whole class, also where it has no contrast any more."""
    changed = ORDER._replace(code="D", text="CT W/O", contrast="WO", region="", entry=9)
    assert settle(ORDER, changed) == changed
    assert settle(None, changed) == changed
