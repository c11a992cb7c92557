"""`tls:` of a listener and of a destination in config.yaml (RFC 9325: TLS 1.2 or 1.3, the peer always verified)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from engine.channel.amounts import Model
from engine.tls.plan import ClientTls, ServerTls

Pin = Annotated[str, Field(pattern=r"^sha256/[A-Za-z0-9+/]{43}=$")]
_CERTIFICATE = "PEM file, relative to this one: own certificate first, then its intermediates"
_KEY = "PEM file of its private key, not encrypted, closed to others"
_CRL = "PEM file of revocation lists; a revoked certificate is refused"
_MINIMUM = "oldest version of TLS"


class ListenerTls(Model):
    """TLS of a listener; with `client_ca` mutual TLS."""

    certificate: Path = Field(description=_CERTIFICATE)
    key: Path = Field(description=_KEY)
    client_ca: Path | None = Field(None, description="PEM file of CAs; a client needs a certificate issued by them")
    subjects: tuple[str, ...] = Field(
        (), description="clients let in: common name, DNS name, *.example.org, or whole subject (CN=lab,O=Hospital)"
    )
    minimum: Literal["1.2", "1.3"] = Field("1.2", description=_MINIMUM)
    crl: Path | None = Field(None, description=_CRL)

    @model_validator(mode="after")
    def _clients_have_certificates(self) -> "ListenerTls":
        if self.client_ca is None and (self.subjects or self.crl is not None):
            raise ValueError("subjects and crl are about certificates of clients; name their CA with client_ca")
        return self

    def plan(self, folder: Path) -> ServerTls:
        """With absolute paths."""
        client_ca, crl = _below(folder, self.client_ca), _below(folder, self.crl)
        own = ((folder / self.certificate).absolute(), (folder / self.key).absolute())
        return ServerTls(*own, client_ca, self.subjects, self.minimum, crl)


class DestinationTls(Model):
    """TLS of a destination; with `certificate` and `key` mutual TLS."""

    ca: Path | None = Field(
        None, description="PEM file of CAs the destination's certificate is issued by; the system's"
    )
    certificate: Path | None = Field(None, description=_CERTIFICATE)
    key: Path | None = Field(None, description=_KEY)
    server_name: str = Field("", description="name in the destination's certificate; its host")
    pin: Pin | None = Field(None, description="sha256/BASE64 of the destination's public key, in place of ca and name")
    minimum: Literal["1.2", "1.3"] = Field("1.2", description=_MINIMUM)
    crl: Path | None = Field(None, description=_CRL)

    @model_validator(mode="after")
    def _parts_go_together(self) -> "DestinationTls":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.pin is not None and (self.ca is not None or self.server_name or self.crl is not None):
            raise ValueError("pin stands in place of ca, server_name and crl; leave those out, or the pin")
        return self

    def plan(self, folder: Path, host: str) -> ClientTls:
        """With absolute paths, and the name that is asked for."""
        own = (_below(folder, self.certificate), _below(folder, self.key))
        ca, crl = _below(folder, self.ca), _below(folder, self.crl)
        return ClientTls(self.server_name or host, ca, *own, self.pin or "", self.minimum, crl)


def _below(folder: Path, path: Path | None) -> Path | None:
    return None if path is None else (folder / path).absolute()
