"""`cert doctor`: everything wrong with a file, a listener, a destination or a port, one sentence each."""

import ssl
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from engine.errors import ConfigError
from engine.tls.context import context_of, mismatch
from engine.tls.ending import newest, newest_lists
from engine.tls.files import fits, read_certificates, read_crls, read_key
from engine.tls.inspect import Asked, dates, facts, faults, list_dates, notes
from engine.tls.meeting import pin_of, short
from engine.tls.naming import told
from engine.tls.plan import ClientTls, ServerTls
from engine.tls.probe import Seen, look
from engine.tls.refusals import DATES
from engine.tls.verify import verdicts_of


class Report(NamedTuple):
    """What was looked at, a line each, what is wrong with it, a sentence each, and what is worth a word and harms nobody."""

    seen: tuple[str, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()


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
    harmless: tuple[str, ...] = ()
    if plan.certificate is not None and plan.key is not None:
        report = of_file(plan.certificate, plan.key, now, Against(purpose))
        seen, found, harmless = list(report.seen), list(report.faults), report.notes
    found += _trusted(plan, now)
    if not found:
        try:
            context_of(plan)
        except ConfigError as error:
            found.append(str(error))
    return Report(tuple(seen), tuple(found), harmless)


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
    if roots is not None:
        asked = asked._replace(verdicts=verdicts_of(chain, roots))
    wrong = dict.fromkeys((*found, *faults(chain, asked)))
    return Report(tuple(map(facts, chain)), tuple(wrong), tuple(notes(chain, asked)))


def _trusted(plan: ServerTls | ClientTls, now: datetime) -> list[str]:
    """What is wrong with the CAs and revocation lists that peers are held against."""
    try:
        roots = read_certificates(plan.trusted) if plan.trusted is not None else ()
        crls = read_crls(plan.crl) if plan.crl is not None else ()
    except ConfigError as error:
        return [str(error)]
    present = newest(roots, now)
    found = (
        []
        if isinstance(plan, ClientTls) and len(present) > 1
        else [f"{plan.trusted}: {fault}" for one in present for fault in dates(one, now)]
    )
    for crl in newest_lists(crls):
        found += [f"{plan.crl}: {fault}" for fault in (*list_dates(crl, now), *_signature(crl, roots))]
    return found


def _signature(crl: x509.CertificateRevocationList, roots: Sequence[x509.Certificate]) -> list[str]:
    """That a list is signed with none of the keys of the CAs that are called like its issuer."""
    issuers = [one for one in roots if one.subject == crl.issuer]
    if not issuers or any(_signed(crl, one) for one in issuers):
        return []
    return [
        f"the revocation list of {told(crl.issuer.rfc4514_string())} is not signed with the key of this CA: fetch its newest"
    ]


def _signed(crl: x509.CertificateRevocationList, by: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(by.public_key())  # type: ignore[arg-type] # of a kind that signs nothing: TypeError
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def of_port(host: str, port: int, plan: ClientTls, now: datetime) -> Report:
    """What a port shows, held against what a destination's `tls:` would ask for."""
    seen = look(host, port, plan)
    lines = [f"{host}:{port} speaks {seen.version.replace('TLSv', 'TLS ')} with {seen.cipher}"] if seen.chain else []
    lines += map(facts, seen.chain)
    found = [seen.problem] if seen.problem else []
    harmless: list[str] = []
    if seen.chain and plan.pin:
        found += _pinned(seen, plan.pin, f"{host}:{port}")
        counting = [one for one in seen.verdicts if one.error in DATES]
        found += faults(seen.chain[:1], Asked(now, "server", verdicts=counting))
    elif seen.chain:
        roots = read_certificates(plan.ca) if plan.ca is not None else _system_roots()
        crls = read_crls(plan.crl) if plan.crl is not None else ()
        asked = Asked(now, "server", plan.server_name, roots, short(plan.ca), crls, seen.verdicts)
        found += faults(seen.chain, asked)
        harmless = notes(seen.chain, asked)
    return Report(tuple(lines), tuple(found), tuple(harmless))


def _pinned(seen: Seen, pin: str, where: str) -> list[str]:
    try:
        shown = pin_of(seen.chain[0])
    except (ValueError, UnsupportedAlgorithm):
        return []  # which `faults` tells
    return [] if shown == pin else [f"the key of {where} is not the pinned one: if it was renewed, write pin: {shown}"]


def _system_roots() -> tuple[x509.Certificate, ...]:
    raw = ssl.create_default_context().get_ca_certs(binary_form=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about roots of others that are not quite as RFC 5280 wants them
        return tuple(map(x509.load_der_x509_certificate, raw))
