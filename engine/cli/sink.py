"""`backstory sink`: a stand-in for a PACS on this machine."""

import re
import signal
from datetime import UTC, datetime
from pathlib import Path
from ssl import SSLContext
from threading import Event
from typing import Annotated, NamedTuple

import typer

from engine.cli.console import printable
from engine.cli.pacs import Behaviour, PacsStandIn
from engine.cli.secure import pair, server
from engine.errors import ConfigError, Unreadable
from engine.hl7.message import Message
from engine.tls.plan import ServerTls

_ANSWER = re.compile(r"(AA|AE|AR|CA|CE|CR)(?::(\d{3}))?")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def sink(
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one and names it.", min=0, max=65535)
    ] = 2580,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    answer: Annotated[str, typer.Option(help="AA, AE, AR, CA, CE or CR; AR:207 adds an error code.")] = "AA",
    delay: Annotated[float, typer.Option(help="Seconds to wait before each answer.", min=0, max=86_400)] = 0.0,
    drop: Annotated[int, typer.Option(help="Close without an answer at every so manieth message.", min=0)] = 0,
    folder: Annotated[Path | None, typer.Option(help="Write each message into this folder.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Speak TLS with this certificate.", metavar="FILE")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key.", metavar="FILE")] = None,
    client_ca: Annotated[
        Path | None, typer.Option(help="Mutual TLS: senders need a certificate of these CAs.", metavar="FILE")
    ] = None,
    count: Annotated[int, typer.Option(help="Stop after so many messages; 0 goes on until Ctrl-C.", min=0)] = 0,
) -> None:
    """Stand in for a PACS: receive over MLLP, answer as told, print OBR-13 of what came.

    What came is content of messages: it is shown to whoever started this, and written only where --folder says.

    Examples:
      backstory sink --port 2580
      backstory sink --port 2580 --answer AR:207 --delay 0.5
      backstory sink --port 2580 --folder received --count 10
      backstory sink --port 2581 --certificate pacs.pem --key pacs.key
    """
    code = _ANSWER.fullmatch(answer)
    if code is None:
        raise ConfigError(f"--answer {answer!r} is none of AA, AE, AR, CA, CE, CR (with :NNN for an error code)")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    watch = _Watch(folder, count)
    behaviour = Behaviour(code[1], code[2] or "", delay, drop)
    secure = _secure(certificate, key, client_ca)
    try:
        stand_in = PacsStandIn(host, port, behaviour, watch.received, secure, watch.refused)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or type(error).__name__}") from None
    signal.signal(signal.SIGTERM, lambda *_: watch.done.set())
    stand_in.start()
    try:
        typer.echo(f"listening on {host}:{stand_in.port}, answering {answer}; Ctrl-C stops")
        watch.done.wait()
    except KeyboardInterrupt:
        typer.echo()
    finally:
        stand_in.close()
    typer.echo(", ".join([f"{watch.number} messages", *(f"{of} {kind}" for kind, of in stand_in.counts.items())]))


def _secure(certificate: Path | None, key: Path | None, client_ca: Path | None) -> SSLContext | None:
    pair(certificate, key)
    if certificate is None or key is None:
        if client_ca is not None:
            raise ConfigError("--client-ca is for TLS, which needs --certificate and --key")
        return None
    return server(ServerTls(certificate, key, client_ca))


class _Watch:
    """Prints each message and knows when there were enough."""

    def __init__(self, folder: Path | None, count: int) -> None:
        self.done = Event()
        self.number = 0
        self._folder, self._count = folder, count

    def received(self, frame: bytes, answer: str) -> None:
        self.number += 1
        heard = hear(frame)
        typer.echo(f"{datetime.now(UTC):%H:%M:%S}  {answer:<9} {heard.type:<12} {heard.control_id:<20} {heard.words}")
        if self._folder is not None:
            name = f"{self.number:06}-{_UNSAFE.sub('_', heard.control_id) or 'unreadable'}.hl7"
            (self._folder / name).write_bytes(frame)
        if self._count and self.number >= self._count:
            self.done.set()

    def refused(self, why: str) -> None:
        typer.echo(f"{datetime.now(UTC):%H:%M:%S}  refused   {why}")


class Heard(NamedTuple):
    """What is printed of a message."""

    type: str
    control_id: str
    words: str  # accession and OBR-13 of an order

    def __repr__(self) -> str:
        return f"Heard({self.type})"


def hear(frame: bytes) -> Heard:
    """Type, control id, accession and OBR-13 of a message; it never fails, for a stand-in takes everything."""
    try:
        message = Message.parse(frame)
        kind = "^".join(message.get(path) or "" for path in ("MSH-9.1", "MSH-9.2"))
        accession = message.get("OBR-18") or message.get("OBR-3.1") or ""
        information = message.get("OBR-13")
    except (Unreadable, UnicodeDecodeError):
        return Heard("unreadable", "", "")
    words = f"{accession}  {information or '(OBR-13 empty)'}" if message.first("OBR") else ""
    return Heard(kind, message.get("MSH-10") or "", printable(words))
