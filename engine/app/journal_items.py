"""What is handed to the thread that writes journal.db, and what it reports."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from engine.channel.deliver import Decided
from engine.channel.ports import Appended, Approval, Lane, LetThrough, Parked, Received, Skip
from engine.channel.receive import Answer, Judged
from engine.errors import BackstoryError
from engine.mllp.framing import FrameEvent

if TYPE_CHECKING:
    from concurrent.futures import Future


class Asker(Protocol):
    """Who handed in a frame and waits for its answer."""

    def answer(self, reply: bytes) -> None: ...
    def fault(self, reason: str, rest: list[FrameEvent]) -> None: ...


class Waiting(Protocol):
    """A lane that waits until its decision is on disk."""

    def committed(self) -> None: ...


class Intake(NamedTuple):
    """A judged frame on its way in, and how many bytes it has.

    `apart`: it is large, or came behind a large one on its connection; such are committed after those that wait.
    """

    asker: Asker
    judged: Judged
    size: int
    apart: bool = False


class Unjudged(NamedTuple):
    """A large frame on its way in: a thread of its own judges and prepares it, so that nobody waits for that."""

    asker: Asker
    judge: Callable[[], Judged]
    size: int


class Settle(NamedTuple):
    """A lane's decision on its way to disk."""

    waiting: Waiting
    decided: Decided
    refused: "Callable[[Exception], None] | None" = None  # of a command: told when it can never be written


class Act(NamedTuple):
    """An operator's entry; the future gets its place."""

    received: Received
    done: "Future[Appended]"
    command: str  # id of the command that asked for it (D17)
    message: LetThrough | None = None  # of a release: what must not be processed twice


Item = Intake | Settle | Act


class Opened(NamedTuple):
    """What the journal says when it is opened: lanes as they were left, what is set aside, skipped and let go."""

    lanes: list[Lane]
    parked: list[Parked]
    skips: list[Skip]
    approvals: list[Approval]


class Settled(NamedTuple):
    """What a commit settled, for the reactor."""

    intakes: Sequence[Intake]
    answers: Sequence[Answer]
    lanes: Sequence[Settle]
    acts: int


class Outside(Protocol):
    """The reactor's side; every call comes from the writing thread and must only pass things on."""

    def settled(self, settled: Settled) -> None:
        """A commit is on disk."""

    def refused(self, intakes: Sequence[Intake], why: str) -> None:
        """A commit was refused for now: nothing of it is kept; lanes are tried again here."""

    def unsettled(self, refused: Callable[[Exception], None], error: Exception) -> None:
        """A command's decision can never be written: nothing of it is kept."""

    def unjudged(self, item: Unjudged, error: Exception) -> None:
        """Judging a large frame failed: it is not kept, and its sender must not be answered."""

    def recovered(self) -> None:
        """The first commit after a refusal is on disk."""

    def fatal(self, error: Exception) -> None:
        """The journal cannot be written any more; the thread has ended."""


def told(error: BaseException) -> str:
    """An error in one line without any value: its type, and SQLite's own name for it where there is one."""
    if isinstance(error, BackstoryError):
        return str(error)
    names = [type(error).__name__]
    for inner in (error, getattr(error, "orig", None), error.__cause__):
        name = getattr(inner, "sqlite_errorname", None)
        if isinstance(name, str):
            names.append(name)
            break
    return " ".join(names)
