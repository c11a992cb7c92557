"""What ORC-1 and ORC-5 amount to, and how a later message changes what is kept of an order (T36, T37)."""

from engine.order.order import Order

__all__ = ["CANCELLED", "DONE", "OPEN", "settle", "state_of"]

OPEN = "OPEN"
DONE = "DONE"
CANCELLED = "CANCELLED"

# table 0119: cancelled, discontinued or replaced, asked for or done; UC and UD are "unable to", which leaves it open
_CONTROL_OVER = frozenset({"CA", "CR", "DC", "DR", "OC", "OD", "RP", "RQ", "RU"})
# table 0038
_STATUS = {"CM": DONE, "A": DONE, "CA": CANCELLED, "DC": CANCELLED, "RP": CANCELLED}


def state_of(control: str, status: str) -> str:
    """OPEN, DONE or CANCELLED of an ORC-1 and an ORC-5; the status says more than the wish in ORC-1."""
    by_status = _STATUS.get(status.strip().upper(), "")
    if by_status:
        return by_status
    return CANCELLED if control.strip().upper() in _CONTROL_OVER else OPEN


def settle(before: Order | None, after: Order) -> Order:
    """The order to keep when `after` arrives and `before` is stored.

    A finished order is never reopened: a message that says it is open came out of order. What the newer message leaves
    out (a cancellation often names nothing but the number) stays as it was.
    """
    if before is None:
        return after
    state = before.state if after.state == OPEN else after.state
    kept = after._replace(
        state=state,
        accession=after.accession or before.accession,
        placer=after.placer or before.placer,
        filler=after.filler or before.filler,
        visit=after.visit or before.visit,
        scheduled=after.scheduled or before.scheduled,
    )
    if after.code or after.text:
        return kept
    return kept._replace(
        code=before.code,
        text=before.text,
        modality=before.modality,
        region=before.region,
        contrast=before.contrast,
    )
