"""What the engine says about TLS in its logs; names of certificates are no content of messages."""

from dataclasses import dataclass
from typing import ClassVar

from engine.app.events import Event, Level


@dataclass(frozen=True, slots=True)
class TlsRefused(Event):
    """A sender's TLS did not come about or was ended, or its certificate is not let in.

    `times`: how often since it was last told of this address, which is once a minute for each reason.
    """

    listener: str
    peer: str
    why: str
    times: int = 1
    level: ClassVar[Level] = Level.WARNING


@dataclass(frozen=True, slots=True)
class CertificatesTaken(Event):
    """Files of TLS changed: new connections have the new ones, those that stand go on."""

    owner: str


@dataclass(frozen=True, slots=True)
class CertificatesNotTaken(Event):
    """Files of TLS changed and cannot be used: new connections still have the old ones."""

    owner: str
    why: str
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class CertificateEnds(Event):
    """A certificate, a CA or a revocation list ends in so many days, or has ended (days below 0)."""

    owner: str
    what: str
    name: str
    days: int
    until: str
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class CertificateBegins(Event):
    """A certificate, a CA or a revocation list in use is not valid yet: peers refuse it, or are refused."""

    owner: str
    what: str
    name: str
    begins: str
    level: ClassVar[Level] = Level.ERROR
