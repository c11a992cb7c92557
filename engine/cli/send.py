"""`backstory send`: files of HL7 to a listener, with a count of the answers."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from typing import Annotated, NamedTuple

import typer

from engine.cli.hl7_files import Filed, Reading, read_messages
from engine.cli.mllp_client import Address, MllpClient, parse_address
from engine.cli.secure import client, pair
from engine.errors import ConfigError, Retryable, Unreadable
from engine.tls.plan import ClientTls

ACCEPTED = ("AA", "CA")
NO_ANSWER_WANTED = "none asked for"
NO_ANSWER = "no answer"
_NAMED = 10  # refused messages that are listed one by one


class Answered(NamedTuple):
    """What became of one message."""

    sent: Filed
    answer: str  # "AA", "AE 102", NO_ANSWER_WANTED, NO_ANSWER
    problem: str = ""

    @property
    def refused(self) -> bool:
        return self.answer not in ACCEPTED and self.answer != NO_ANSWER_WANTED


def send(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders of HL7 messages.", metavar="FILE|FOLDER...")],
    to: Annotated[str, typer.Option(help="Where to send, HOST:PORT.", metavar="HOST:PORT")] = "",
    listener: Annotated[str, typer.Option(help="Or: a listener of the site, by name.", metavar="NAME")] = "",
    site: Annotated[Path, typer.Option(help="Folder of the site, for --listener.")] = Path(),
    connections: Annotated[int, typer.Option(help="Connections at a time; order holds within one.", min=1)] = 1,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.", min=0.01, max=86_400)] = 30.0,
    stop: Annotated[
        bool, typer.Option("--stop/--continue", help="Stop at the first refused message, or go on.")
    ] = False,
    tls: Annotated[bool, typer.Option("--tls", help="Speak TLS; the options below say it as well.")] = False,
    ca: Annotated[
        Path | None, typer.Option(help="CAs of the receiver's certificate; else the system's.", metavar="FILE")
    ] = None,
    server_name: Annotated[str, typer.Option(help="Name in that certificate; else HOST.", metavar="NAME")] = "",
    certificate: Annotated[
        Path | None, typer.Option(help="Our certificate, where one is wanted.", metavar="FILE")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key.", metavar="FILE")] = None,
    keep_ends: Annotated[bool, typer.Option("--keep-ends", help="Send line ends as they are, not as CR.")] = False,
) -> int:
    """Send files of HL7 over MLLP and count the answers.

    A file may hold several messages, each starting at a line MSH; folders are read with everything below them. Exit
    status 1 when any message was refused or not answered.

    Examples:
      backstory send channels/samples --to 127.0.0.1:2575
      backstory send day.hl7 --listener lab --connections 4 --stop
      backstory send day.hl7 --to 10.1.2.3:2576 --ca ca.pem --server-name engine.hospital --certificate us.pem --key us.key
    """
    reading = read_messages(paths, keep_ends=keep_ends)
    if not reading.messages:
        raise ConfigError("no HL7 message found in what was named")
    address, wants_tls = _address(to, listener, site)
    secure = None
    if tls or ca or server_name or certificate or key:
        pair(certificate, key)
        secure = client(ClientTls(server_name or address.host, ca, certificate, key))
    elif wants_tls:
        raise ConfigError(f"listener {listener} speaks TLS: say --tls, with --ca FILE where its CA is not the system's")
    started = time.monotonic()
    with _progress(len(reading.messages)) as advance:
        answered = _Sending(reading.messages, lambda: MllpClient(address, timeout, secure), advance, stop=stop).over(
            connections
        )
    _summarize(reading, answered, address, time.monotonic() - started)
    return 1 if any(one.refused for one in answered) else 0


def _address(to: str, listener: str, site: Path) -> tuple[Address, bool]:
    """Where to, and whether it is known to speak TLS."""
    if bool(to) == bool(listener):
        raise ConfigError("say where to send: --to HOST:PORT, or --listener NAME of the site")
    if to:
        return parse_address(to), False
    from engine.cli.site import listener_address  # noqa: PLC0415 - a site is only read when it is asked for

    return listener_address(site, listener)


class _Sending:
    """Messages on their way over several connections: each takes the next one that waits."""

    def __init__(
        self, messages: list[Filed], client: Callable[[], MllpClient], advance: Callable[[], None], *, stop: bool
    ) -> None:
        self._waiting = iter(enumerate(messages))
        self._answered: dict[int, Answered] = {}
        self._client, self._advance, self._stop = client, advance, stop
        self._lock, self._stopped = Lock(), Event()

    def over(self, connections: int) -> list[Answered]:
        """The answers in the order of the messages; Ctrl-C ends it early. Raises Retryable when nobody listens."""
        first = self._client()
        first.connect()
        clients = [first, *(self._client() for _ in range(connections - 1))]
        with ThreadPoolExecutor(connections) as pool:
            work = [pool.submit(self._work, client) for client in clients]
            try:
                for one in work:
                    one.result()
            except KeyboardInterrupt:
                self._stopped.set()
        return [self._answered[number] for number in sorted(self._answered)]

    def _work(self, client: MllpClient) -> None:
        try:
            while not self._stopped.is_set():
                with self._lock:
                    number, message = next(self._waiting, (0, None))
                if message is None:
                    return
                self._note(number, _send_one(client, message))
        finally:
            client.close()

    def _note(self, number: int, answered: Answered) -> None:
        with self._lock:
            self._answered[number] = answered
            self._advance()
        if self._stop and answered.refused:
            self._stopped.set()


def _send_one(client: MllpClient, message: Filed) -> Answered:
    try:
        answer = client.exchange(message.body)
    except (Retryable, Unreadable) as error:
        return Answered(message, NO_ANSWER, str(error))
    return Answered(message, NO_ANSWER_WANTED if answer is None else answer)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr while a person looks at it."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415 - only where somebody watches
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("sending", total=total)
        yield lambda: progress.advance(task)


def _summarize(reading: Reading, answered: list[Answered], address: Address, seconds: float) -> None:
    rate = len(answered) / max(seconds, 0.001)
    typer.echo(
        f"{len(answered)} of {len(reading.messages)} messages sent to {address} in {seconds:.1f} s ({rate:.0f}/s)"
    )
    for answer, count in Counter(one.answer for one in answered).most_common():
        typer.echo(f"  {answer:<16}{count:>7}")
    for path in reading.strange:
        typer.echo(f"not sent: {path} holds no message")
    refused = [one for one in answered if one.refused]
    for one in refused[:_NAMED]:
        typer.echo(f"refused: {one.sent.path}, message {one.sent.number}: {one.problem or one.answer}")
    if len(refused) > _NAMED:
        typer.echo(f"refused: {len(refused) - _NAMED} more")
