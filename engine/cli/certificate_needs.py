"""Which certificates need a person soon, as the network process knows them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from engine.cli.console import printable

_DAY = 24 * 60 * 60 * 1_000_000


def certificate_needs(processes: Mapping[str, Any], now: int) -> list[str]:
    """One sentence each; `now` and ends in UTC microseconds."""
    network = processes.get("processes", {}).get("network", {})
    found = []
    for credential in network.get("certificates", []):
        owner = credential["owner"]
        if credential["problem"]:
            found.append(
                f"{owner} still has its old certificates, the new files cannot be used: {credential['problem']}"
            )
        if credential.get("unfit"):  # of an engine that is older than this command: not said
            found.append(f"{owner} has a certificate that peers may refuse: {credential['unfit']}")
        for ending in credential["endings"]:
            sentence = _sentence(owner, ending, now)
            if sentence:
                found.append(sentence)
    return list(dict.fromkeys(found))


def _sentence(owner: str, ending: Mapping[str, Any], now: int) -> str:
    left = ending["until"] - now
    what = f"{ending['what']} {printable(ending['name'])} of {owner}"
    if left < 0:
        return f"the {what} expired on {_day(ending['until'])}; {_remedy(ending)}"
    if now < ending["begins"]:
        return f"the {what} is valid only from {_minute(ending['begins'])}; set the clock right, or wait"
    if now < ending["warns"]:
        return ""
    days = left // _DAY
    if not days:
        return f"the {what} expires at {_minute(ending['until'])}; {_remedy(ending)}"
    return f"the {what} expires on {_day(ending['until'])}, in {days} day{'' if days == 1 else 's'}; {_remedy(ending)}"


def _remedy(ending: Mapping[str, Any]) -> str:
    if ending["what"] == "peer's certificate":
        return "its owner must renew it"
    if ending["what"] == "CA certificate":
        return "put its CA's new one into the file, without which all that it issued is refused"
    if ending["what"] == "revocation list":
        return "fetch its CA's newest, without which all that it issued is refused"
    return "renew its file, which is taken without a restart"


def _day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / 1_000_000, UTC):%Y-%m-%d}"


def _minute(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / 1_000_000, UTC):%Y-%m-%d %H:%M} UTC"
