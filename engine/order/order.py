"""An imaging order as the store keeps it, and the exam it asks for."""

from typing import NamedTuple


class Exam(NamedTuple):
    """What kind of exam it is; sets, because "CT ABD PELVIS" is two regions (rules.md 3.0, 3.1).

    `contrast`: IOD GAD GADHEP IOD_POSSIBLE GAD_POSSIBLE WO "" ; `special`: IR IR_HIGH IR_LOW LP CTPA CCTA ...
    `source` says how it was decided: site table, LOINC, OBR-24, text, unknown.
    """

    modality: frozenset[str]
    region: frozenset[str]
    contrast: frozenset[str]
    special: frozenset[str]
    source: str


class Order(NamedTuple):
    """The latest state of one order; keyed by (authority of the listener, number)."""

    number: str  # accession (OBR-18 or IPC-1), else filler, else placer number; printable
    patient: str  # Identifier.key it came with, for ever
    accession: str
    placer: str
    filler: str
    visit: str
    control: str  # ORC-1 as sent
    order_status: str  # ORC-5 as sent
    state: str  # OPEN, DONE (CM, A), CANCELLED (CA, DC): what ORC-1/ORC-5 amount to
    code: str  # OBR-4.1
    text: str  # OBR-4.2
    modality: str  # classified, joined by +
    region: str
    contrast: str
    scheduled: int  # exam time, UTC microseconds: TQ1-7, ORC-7.4, OBR-27.4, OBR-36; 0 = not known
    entry: int  # position of the message that said it last
    received: int
    listener: str

    def __repr__(self) -> str:
        return f"Order(entry {self.entry}, {self.state})"
