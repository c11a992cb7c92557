"""The words of config.yaml that many rows share: names, ports, lengths of time, sizes, zones, character sets and networks."""

import re
from collections.abc import Iterable
from ipaddress import IPv6Network, ip_network
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from engine.hl7.charset import charset_of, usable

MIB = 1024 * 1024
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 1024, "MiB": MIB, "GiB": 1024 * MIB}
_MAPPED = 96  # bits before an IPv4 address in one of IPv6
_AMOUNT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([A-Za-z]+)", re.ASCII)


class Model(BaseModel):
    """A row of config.yaml: frozen, and a key that it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        raise ValueError("this is no IANA time zone; write one such as America/Chicago") from None
    return name


def _seconds(value: object) -> object:
    return _amount(value, _SECONDS, "a length of time is a number and ms, s, min, h or d, such as 30s")


def _bytes(value: object) -> object:
    return _amount(value, _BYTES, "a size is a number and B, KiB, MiB or GiB, such as 16MiB")


def _amount(value: object, units: dict[str, float] | dict[str, int], wanted: str) -> object:
    """A text with a unit as seconds or bytes; a plain number is left to pydantic."""
    if not isinstance(value, str) or not value[-1:].isalpha():
        return value
    found = _AMOUNT.fullmatch(value)
    if found is None or found[2] not in units:
        raise ValueError(wanted)
    return float(found[1]) * units[found[2]]


def _charset(name: str) -> str:
    codec = (charset_of(name.encode("ascii", "replace")) if name else None) or name
    if not usable(codec):
        raise ValueError("this is no character set of HL7 table 0211 and no codec of Python that messages can be in")
    return codec


def _network(text: str) -> str:
    """A network or an address as CIDR; an IPv4 address written as one of IPv6 is one of IPv4."""
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError("this is no address and no network; write one such as 10.0.0.0/8 or 192.168.1.7") from error
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is not None and network.prefixlen >= _MAPPED:
        return f"{mapped}/{network.prefixlen - _MAPPED}"
    return str(network)


def _with_unit(kind: str, units: Iterable[str], *examples: str) -> WithJsonSchema:
    """The schema of an amount: a number, or a text of a number and a unit."""
    text = {"type": "string", "pattern": f"^[0-9]+(\\.[0-9]+)? *({'|'.join(units)})$", "examples": [*examples]}
    return WithJsonSchema({"anyOf": [{"type": kind, "exclusiveMinimum": 0}, text]})


Network = Annotated[str, AfterValidator(_network)]
Zone = Annotated[str, AfterValidator(_zone)]
Charset = Annotated[str, AfterValidator(_charset)]
Port = Annotated[int, Field(ge=0, le=65535)]  # 0: any free port, for tests
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0), _with_unit("number", _SECONDS, "30s", "5min")]
Bytes = Annotated[int, BeforeValidator(_bytes), Field(ge=1024), _with_unit("integer", _BYTES, "16MiB")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
