"""Which message structure (MSH-9.3) a message type and event have, where the sender does not say (table 0354)."""

_SHARED = {
    ("ADT", "A01"): "A04 A08 A13",
    ("ADT", "A05"): "A14 A28 A31",
    ("ADT", "A06"): "A07",
    ("ADT", "A09"): "A10 A11",
    ("ADT", "A21"): "A22 A23 A25 A26 A27 A29 A32 A33",
    ("ADT", "A30"): "A34 A35 A36 A46 A47 A48 A49",
    ("ADT", "A39"): "A40 A41 A42",
    ("ADT", "A43"): "A44",
    ("ADT", "A50"): "A51",
    ("ADT", "A52"): "A53",
    ("ADT", "A54"): "A55",
    ("ADT", "A61"): "A62",
    ("MDM", "T01"): "T03 T05 T07 T09 T11",
    ("MDM", "T02"): "T04 T06 T08 T10",
    ("PPR", "PC1"): "PC2 PC3",
    ("PGL", "PC6"): "PC7 PC8",
    ("RDE", "O11"): "O25",
    ("REF", "I12"): "I13 I14 I15",
    ("SIU", "S12"): "S13 S14 S15 S16 S17 S18 S19 S20 S21 S22 S23 S24 S26 S27",
    ("SRM", "S01"): "S02 S03 S04 S05 S06 S07 S08 S09 S10 S11",
}
# before 2.4 these events had the structure of an admission
_EARLIER = {"A05": "A01", "A14": "A01", "A28": "A01", "A31": "A01"}

_STRUCTURE = {
    (code, event): f"{code}_{first}" for (code, first), events in _SHARED.items() for event in (first, *events.split())
}


def candidates(code: str, event: str, structure: str) -> tuple[str, ...]:
    """Names to look up, the most likely first: what MSH-9.3 says, the event's own, the shared one, the type alone."""
    names = [structure, f"{code}_{event}", _STRUCTURE.get((code, event), ""), f"{code}_{_EARLIER.get(event, '')}", code]
    return tuple(dict.fromkeys(name for name in names if name))
