"""The certificates of the network process: read at the start, watched by a thread, read again on command."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from engine.app.certificate_events import (
    CertificateBegins,
    CertificateEnds,
    CertificatesNotTaken,
    CertificatesTaken,
    TlsRefused,
)
from engine.app.events import Event, surprise
from engine.app.network_plan import NetworkPlan
from engine.app.repeats import Repeats
from engine.errors import ConfigError
from engine.mllp.listener import MllpListener
from engine.mllp.tls import TlsDialling, TlsListening
from engine.tls.credential import Credential

if TYPE_CHECKING:
    from engine.tls.ending import Ending

LOOK = 10.0  # seconds between looks at the files
_SECOND = 1_000_000
_EARLY = timedelta.max  # told that it is not valid yet


class Certificates:
    """One credential for each listener and destination that has TLS.

    Raises ConfigError where one cannot be used: the engine does not start without it.
    """

    def __init__(self, plan: NetworkPlan, emit: Callable[[Event], None], wall: Callable[[], int]) -> None:
        self._wall = wall
        self._listeners = {
            row.rules.name: Credential(f"listener {row.rules.name}", row.tls, self._now)
            for row in plan.listeners
            if row.tls is not None
        }
        self._destinations = {
            row.name: Credential(f"destination {row.name}", row.tls, self._now)
            for row in plan.destinations
            if row.tls is not None
        }
        self._emit = emit
        self._told: dict[Ending, timedelta] = {}  # what was last told: how long before the end
        self._looking = Lock()
        self._stop = Flag()
        self._thread = Thread(target=self._watch, name="certificates", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()
        self._thread.join(timeout=5)

    def around_listener(self, name: str, listener: MllpListener, reactor: Any) -> MllpListener | TlsListening:
        """What is given to `listenTCP`: the listener itself where it has no TLS."""
        credential = self._listeners.get(name)
        if credential is None:
            return listener

        repeats = Repeats()

        def refused(peer: str, why: str, kind: str) -> None:
            listener.counters.faults += 1
            times = repeats.told(peer.rpartition(":")[0], kind, reactor.seconds())
            if times:
                self._emit(TlsRefused(name, peer, why, times))

        return TlsListening(credential, listener, reactor, refused)

    def around_sender(self, name: str, reactor: Any) -> TlsDialling | None:
        """What puts TLS around a destination's connections, or None where it has none."""
        credential = self._destinations.get(name)
        return TlsDialling(credential, reactor) if credential is not None else None

    def reload(self) -> dict[str, str]:
        """Read all files again, from any thread; by owner why they are not taken, or ""."""
        with self._looking:
            return {credential.owner: self._look(credential, force=True) for credential in self._all()}

    def status(self) -> list[dict[str, Any]]:
        """What `status` shows: who has which certificates, and until when (UTC microseconds)."""
        return [
            {
                "owner": credential.owner,
                "problem": credential.problem,
                "unfit": credential.unfit,
                "endings": [
                    {
                        "what": one.what,
                        "name": one.name,
                        "until": _microseconds(one.until),
                        "begins": _microseconds(one.begins),
                        "warns": _microseconds(one.until - one.warning),
                    }
                    for one in credential.endings()
                ],
            }
            for credential in self._all()
        ]

    def _all(self) -> list[Credential]:
        return [*self._listeners.values(), *self._destinations.values()]

    def _watch(self) -> None:
        while True:
            try:
                with self._looking:
                    for credential in self._all():
                        self._look(credential)
                        self._tell(credential)
            except Exception as error:  # noqa: BLE001 - the watch goes on; the next look may succeed
                self._emit(surprise(error))
            if self._stop.wait(LOOK):
                return

    def _look(self, credential: Credential, *, force: bool = False) -> str:
        try:
            if credential.look(force=force):
                self._emit(CertificatesTaken(credential.owner))
        except ConfigError as error:
            self._emit(CertificatesNotTaken(credential.owner, str(error)))
            return str(error)
        return ""

    def _tell(self, credential: Credential) -> None:
        now = self._now()
        credential.forget(now)
        endings = credential.endings()
        for ending in endings:
            before = self._told.get(ending)
            if now < ending.begins:
                if before is None:
                    self._told[ending] = _EARLY
                    self._emit(CertificateBegins(*ending[:3], f"{ending.begins:%Y-%m-%d %H:%M} UTC"))
                continue
            left = ending.until - now
            steps = [step for step in ending.steps if left < step]
            if steps and (before is None or steps[-1] < before):
                self._told[ending] = steps[-1]
                self._emit(CertificateEnds(*ending[:3], left.days, f"{ending.until:%Y-%m-%d %H:%M} UTC"))
        known = set(endings)
        self._told = {one: at for one, at in self._told.items() if one.owner != credential.owner or one in known}

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall() / _SECOND, UTC)


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * _SECOND
