"""TLS001: the certificates and keys that listeners and destinations name can be read, fit each other and are valid now."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.channel.site import CONFIG
from engine.check.linted import Finding, Linted, Location

if TYPE_CHECKING:
    from engine.tls.plan import ClientTls, ServerTls

CODE = "TLS001"


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each thing that is wrong with the files of a `tls:`."""
    config, folder = linted.site.config, linted.site.folder
    plans: dict[Location, ServerTls | ClientTls] = {}
    for name, listener in config.listeners.items():
        if listener.tls is not None:
            plans["listeners", name, "tls"] = listener.tls.plan(folder)
    for name, destination in config.destinations.items():
        if destination.tls is not None:
            plans["destinations", name, "tls"] = destination.tls.plan(folder, destination.host)
    if not plans:
        return
    from engine.tls.doctor import of_files  # noqa: PLC0415 - OpenSSL, which most sites do without

    for location, plan in plans.items():
        document = linted.documents[CONFIG]
        prefix = f"{folder.absolute()}/"
        for fault in of_files(plan, datetime.now(UTC)).faults:
            parts = ("certificate", "key", "client_ca", "ca", "crl")
            place = next((part for part in parts if _named(plan, part, fault)), "")
            yield document.finding((*location, place) if place else location, CODE, fault.replace(prefix, ""))


def _named(plan: object, part: str, fault: str) -> bool:
    """Whether a sentence begins with this file's name."""
    path = getattr(plan, part, None)
    return path is not None and fault.startswith(f"{path}: ")
