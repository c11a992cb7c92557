"""`backstory cert`: what is wrong with a certificate, and new ones for a running engine."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import new_application, teaching
from engine.cli.secure import pair
from engine.cli.site import SiteOption, load_config, socket_of
from engine.errors import ConfigError, Retryable

if TYPE_CHECKING:
    from engine.channel.config import SiteConfig
    from engine.tls.doctor import Report

app = new_application()

_CERT = """Certificates of listeners and destinations: say what is wrong, take renewed ones.

Examples:
  backstory cert doctor pacs
  backstory cert doctor pacs.hospital:2762 --ca ca.pem
  backstory cert doctor lab.pem --key lab.key
  backstory cert reload
"""

_DOCTOR = """Say in words what is wrong with a certificate, and what to do about it.

WHAT is the name of a listener or destination of the site, HOST:PORT of somebody's port, or a certificate's file. Of a
destination, both its port and our own certificate for it are looked at; nothing is sent but a handshake. Leaves with 1
where something is wrong.

Examples:
  backstory cert doctor pacs
  backstory cert doctor pacs.hospital:2762 --ca ca.pem --certificate us.pem --key us.key
  backstory cert doctor 10.1.2.3:2762 --ca ca.pem --server-name pacs.hospital
  backstory cert doctor lab.pem --key lab.key --ca ca.pem
"""


@app.callback(help=teaching(_CERT))
def cert() -> None:
    """Verbs of certificates."""


@app.command("doctor", help=teaching(_DOCTOR))
def doctor(
    what: Annotated[str, typer.Argument(help="NAME, HOST:PORT or FILE.", metavar="WHAT")],
    ca: Annotated[
        Path | None, typer.Option(help="CAs it should be issued by; of a port: the system's.", metavar="FILE")
    ] = None,
    server_name: Annotated[str, typer.Option(help="Name it should be for; of a port: HOST.", metavar="NAME")] = "",
    certificate: Annotated[
        Path | None, typer.Option(help="Our certificate, where a port wants one.", metavar="FILE")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key, or that of FILE.", metavar="FILE")] = None,
    crl: Annotated[Path | None, typer.Option(help="Revocation lists.", metavar="FILE")] = None,
    site: SiteOption = Path(),
) -> int:
    """Say in words what is wrong with a certificate."""
    from engine.tls.doctor import Against, of_file, of_port  # noqa: PLC0415 - OpenSSL, which no other verb needs
    from engine.tls.plan import ClientTls  # noqa: PLC0415 - as above

    now = datetime.now(UTC)
    host, _, port = what.rpartition(":")
    if host and port.isdigit() and 0 < int(port) <= 65535:
        pair(certificate, key)
        host = host.removeprefix("[").removesuffix("]")
        return _told(of_port(host, int(port), ClientTls(server_name or host, ca, certificate, key, crl=crl), now))
    config = load_config(site) if (site / "config.yaml").is_file() else None
    if config is not None and what in {*config.listeners, *config.destinations}:
        return _told(*_of_site(config, what, site, now))
    if Path(what).exists():
        return _told(of_file(Path(what), key, now, Against("", ca, server_name)))
    raise ConfigError(f"{what} is no listener, no destination, no HOST:PORT and no file")


@app.command("reload")
def reload(site: SiteOption = Path()) -> int:
    """Have the running engine read its certificates, keys, CAs and revocation lists again.

    By itself it takes changed files within twenty seconds. Connections that stand go on.
    """
    from engine.app.control import call  # noqa: PLC0415 - only where a process is asked

    try:
        found = call(socket_of(site, "supervisor"), "certificates")["reloaded"]
    except Retryable as error:
        raise Retryable(f"{error}; an engine that does not run reads them when it starts (backstory run)") from None
    for owner, problem in found.items():
        typer.echo(f"{owner}: {problem or 'new connections have what the files hold now'}")
    return 1 if any(found.values()) else 0


def _of_site(config: "SiteConfig", name: str, site: Path, now: datetime) -> "list[Report]":
    from engine.tls.doctor import of_files, of_port  # noqa: PLC0415 - OpenSSL, which no other verb needs

    listener, destination = config.listeners.get(name), config.destinations.get(name)
    if (listener is None or listener.tls is None) and (destination is None or destination.tls is None):
        raise ConfigError(f"{name} has no `tls:` in config.yaml; its messages are in plain text")
    reports = []
    if listener is not None and listener.tls is not None:
        reports.append(of_files(listener.tls.plan(site), now))
    if destination is not None and destination.tls is not None:
        plan = destination.tls.plan(site, destination.host)
        own = of_files(plan, now)
        reports += [own] if own.faults else [own, of_port(destination.host, destination.port, plan, now)]
    return reports


def _told(*reports: "Report") -> int:
    wrong = [fault for report in reports for fault in report.faults]
    for line in (line for report in reports for line in report.seen):
        typer.echo(line)
    for note in dict.fromkeys(note for report in reports for note in report.notes):
        typer.echo(f"note: {note}")
    for fault in dict.fromkeys(wrong):
        typer.echo(f"wrong: {fault}")
    typer.echo("nothing is wrong" if not wrong else f"{len(dict.fromkeys(wrong))} wrong", err=True)
    return 1 if wrong else 0
