"""What a receiver shows, how long, and how it is made to forget: mappings/profiles.yaml (carriers.md 2.3 to 2.5)."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Carrier = Literal["OBR-13", "NTE", "OBX", "AL1"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Observation(_Model):
    """How a receiver wants a measure written: only in this unit, under this code and text."""

    code: str
    text: str
    system: str
    unit: str


class Accepted(_Model):
    """A carrier the receiver takes: how many characters, and how what we wrote is taken back (D11).

    `clear`: `text` (an empty field means "no change", so words are sent), `null` (`""`), `omit` (the set is replaced, or
    never kept), `never` (it cannot be taken back, so it is never sent).
    """

    max: Annotated[int, Field(gt=0)] = 65536
    headline: int = 0  # characters that are sure to be shown; 0 = all of max
    clear: Literal["text", "null", "omit", "never"]


class Profile(_Model):
    """One kind of receiver."""

    description: str
    carriers: dict[Carrier, Accepted]
    observations: dict[str, Observation] = {}  # concept -> how it is written

    def takes(self, carrier: Carrier) -> bool:
        """Whether the carrier may be sent: the receiver reads it or drops it, and it can be taken back."""
        accepted = self.carriers.get(carrier)
        return accepted is not None and accepted.clear != "never"


class ProfilesFile(_Model):
    """mappings/profiles.yaml."""

    profiles: dict[str, Profile]

    @model_validator(mode="after")
    def _has_one(self) -> "ProfilesFile":
        if not self.profiles:
            raise ValueError("name at least one receiver profile")
        return self
