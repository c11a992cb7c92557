"""`cert doctor`: everything wrong with a file, a listener, a destination or a port, one sentence each."""

import ssl
import warnings
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from engine.errors import ConfigError
from engine.tls.context import context_of, mismatch
from engine.tls.files import fits, read_certificates, read_crls, read_key
from engine.tls.inspect import Asked, facts, faults
from engine.tls.meeting import pin_of
from engine.tls.plan import ClientTls, ServerTls
from engine.tls.probe import look


class Report(NamedTuple):
    """What was looked at, a line each, and what is wrong with it, a sentence each."""

    seen: tuple[str, ...]
    faults: tuple[str, ...]


class Against(NamedTuple):
    """What a file is held against, as far as it is known."""

    purpose: str = ""  # server, client
    ca: Path | None = None
    name: str = ""


NOTHING = Against()


def of_files(plan: ServerTls | ClientTls, now: datetime) -> Report:
    """The own certificate and key of a listener or a destination, and that its other files can be read."""
    purpose = "server" if isinstance(plan, ServerTls) else "client"
    seen: list[str] = []
    found: list[str] = []
    if plan.certificate is not None and plan.key is not None:
        report = of_file(plan.certificate, plan.key, now, Against(purpose))
        seen, found = list(report.seen), list(report.faults)
    for read, path in ((read_certificates, plan.trusted), (read_crls, plan.crl)):
        try:
            if path is not None:
                read(path)
        except ConfigError as error:
            found.append(str(error))
    if not found:
        try:
            context_of(plan)
        except ConfigError as error:
            found.append(str(error))
    return Report(tuple(seen), tuple(found))


def of_file(certificate: Path, key: Path | None, now: datetime, against: Against = NOTHING) -> Report:
    """A certificate file, held against its key and its CA where they are given."""
    try:
        chain = read_certificates(certificate)
    except ConfigError as error:
        return Report((), (str(error),))
    found = []
    if key is not None:
        try:
            own = read_key(key)
            found = [] if fits(chain[0], own) else [f"{key}: {mismatch(chain, own, certificate.name)}"]
        except ConfigError as error:
            found = [str(error)]
    roots = read_certificates(against.ca) if against.ca is not None else None
    asked = Asked(now, against.purpose, against.name, roots, against.ca.name if against.ca is not None else "")
    return Report(tuple(map(facts, chain)), (*found, *faults(chain, asked)))


def of_port(host: str, port: int, plan: ClientTls, now: datetime) -> Report:
    """What a port shows, held against what a destination's `tls:` would ask for."""
    seen = look(host, port, plan)
    lines = [f"{host}:{port} speaks {seen.version.replace('TLSv', 'TLS ')} with {seen.cipher}"] if seen.chain else []
    lines += map(facts, seen.chain)
    found = [seen.problem] if seen.problem else []
    if seen.chain and plan.pin:
        pin = pin_of(seen.chain[0])
        found += (
            []
            if pin == plan.pin
            else [f"the key of {host}:{port} is not the pinned one: if it was renewed, write pin: {pin}"]
        )
        found += faults(seen.chain[:1], Asked(now, "server"))
    elif seen.chain:
        roots = read_certificates(plan.ca) if plan.ca is not None else _system_roots()
        crls = read_crls(plan.crl) if plan.crl is not None else ()
        where = plan.ca.name if plan.ca is not None else "the system's CAs"
        found += faults(seen.chain, Asked(now, "server", plan.server_name, roots, where, crls))
    return Report(tuple(lines), tuple(found))


def _system_roots() -> tuple[x509.Certificate, ...]:
    raw = ssl.create_default_context().get_ca_certs(binary_form=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about roots of others that are not quite as RFC 5280 wants them
        return tuple(map(x509.load_der_x509_certificate, raw))
