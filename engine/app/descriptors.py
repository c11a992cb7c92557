"""File descriptors: the process may have as many as its listeners may have connections, or the listeners get fewer."""

import resource
from contextlib import suppress

from engine.app.network_plan import ListenerPlan, NetworkPlan

OTHERS = 128  # files, sockets and pipes of the process that are no sender's connection


def with_descriptors(plan: NetworkPlan) -> tuple[NetworkPlan, str]:
    """Raise the limit of this process to what the plan needs.

    Returns the plan, and where the system allows fewer, with fewer connections for each listener and a sentence about it.
    """
    lanes = sum(destination.lanes for destination in plan.destinations)
    wanted = sum(listener.limits.max_connections for listener in plan.listeners)
    others = OTHERS + lanes + 2 * len(plan.listeners)
    have = _raised(wanted + others)
    if have >= wanted + others:
        return plan, ""
    left = max(have - others, len(plan.listeners))
    fewer = tuple(_fewer(listener, left / wanted) for listener in plan.listeners)
    said = (
        f"{wanted + others} open files are needed for max_connections of all listeners, and the system allows {have} "
        f"(ulimit -n, LimitNOFILE=): together they take {sum(one.limits.max_connections for one in fewer)} connections"
    )
    return plan._replace(listeners=fewer), said


def _fewer(listener: ListenerPlan, share: float) -> ListenerPlan:
    count = max(int(listener.limits.max_connections * share), 1)
    return listener._replace(limits=listener.limits._replace(max_connections=count))


def _raised(wanted: int) -> int:
    """How many the process may have now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    for limits in ((wanted, hard), (wanted, wanted), (hard, hard)):  # the second is for root only
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            return limits[0]
    return soft
