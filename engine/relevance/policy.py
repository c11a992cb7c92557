"""What is never written into an order: confidential kinds and codes, and orders that are not enriched at all (D23, T49)."""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from engine.patient.fact import Fact
from engine.relevance.absence import Silence
from engine.relevance.durations import microseconds

Length = Annotated[int, BeforeValidator(lambda value: microseconds(value) if isinstance(value, str) else value)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Withhold(_Model):
    """Orders that leave as they came: test and training messages (MSH-11), persons marked in PV1-16."""

    processing: tuple[str, ...] = ("T", "D", "N")
    vip: Literal["any", "listed", "never"] = "any"
    vip_listed: tuple[str, ...] = ()  # with `listed`: only these
    vip_except: tuple[str, ...] = ()  # with `any`: but these
    confidential: tuple[str, ...] = ()  # values of ORC-28.1


class Codes(_Model):
    """Codes that start with one of `prefixes` in one of `systems`; without a system they count in facts of `kinds`."""

    kinds: tuple[str, ...]
    systems: tuple[str, ...]
    prefixes: tuple[str, ...]


class Hide(_Model):
    """Facts that no carrier shows."""

    kinds: tuple[str, ...] = ()
    concepts: tuple[str, ...] = ()
    codes: tuple[Codes, ...] = ()
    words: tuple[str, ...] = ()  # whole words of a fact's text


class Policy(_Model):
    """mappings/policy.yaml. Asked once per order and once per fact of its patient."""

    withhold: Withhold = Withhold()
    hide: Hide = Hide()
    silent_after: Mapping[str, Length] = {}  # kind -> how long its feed may be silent before absence is not claimed

    def withholds(self, processing: str, vip: Iterable[str], confidentiality: str) -> str:
        """Why the order leaves as it came, as a fixed sentence; "" = it may be enriched.

        `vip` is PV1-16 of the order and of what is known of its patient.
        """
        rules = self.withhold
        if processing in rules.processing:
            return "MSH-11 marks a test or training message"
        if any(map(self._is_vip, vip)):
            return "PV1-16 marks a person whose facts are withheld"
        if confidentiality and confidentiality in rules.confidential:
            return "ORC-28 marks a confidential order"
        return ""

    def _is_vip(self, value: str) -> bool:
        rules = self.withhold
        if rules.vip == "never":
            return False
        return value in rules.vip_listed if rules.vip == "listed" else value not in ("", '""', *rules.vip_except)

    def hides(self, fact: Fact) -> bool:
        """Whether the site keeps this fact off the worklist."""
        hide = self.hide
        if fact.kind in hide.kinds or fact.concept in hide.concepts:
            return True
        key = ("", fact.kind) if not fact.system else (fact.system.upper(), "")
        if fact.code.startswith(self._prefixes.get(key, ())):
            return True
        return self._words is not None and self._words.search(fact.text) is not None

    @cached_property
    def silence(self) -> Silence:
        """What the rules may claim about absence."""
        return Silence(dict(self.silent_after), frozenset(self.hide.kinds))

    @cached_property
    def _prefixes(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Prefixes by (system, "") and, for codes without a system, by ("", kind)."""
        found: dict[tuple[str, str], tuple[str, ...]] = {}
        for codes in self.hide.codes:
            keys = [(system.upper(), "") for system in codes.systems] + [("", kind) for kind in codes.kinds]
            for key in keys:
                found[key] = (*found.get(key, ()), *codes.prefixes)
        return found

    @cached_property
    def _words(self) -> re.Pattern[str] | None:
        words = "|".join(re.escape(word) for word in self.hide.words)
        return re.compile(rf"\b(?:{words})\b", re.IGNORECASE) if words else None
