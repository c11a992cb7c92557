"""The corpus as senders would send it: which bytes in a frame, to which listener, and the answer each must get (D16).

The expected answers are worked out here by splitting bytes, and for the few files whose refusal needs a longer look by
name, so that the engine is not compared with itself.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.corpus_files import CorpusFile

FEEDS = {
    "ADT": "adt",
    "ORU": "lab",
    "VXU": "lab",
    "RDE": "pharmacy",
    "RDS": "pharmacy",
    "OMP": "pharmacy",
    "MDM": "documents",
    "ORM": "ris",
    "OMI": "ris",
    "OMG": "ris",
}
ELSEWHERE = "lab"  # everything else: the listener whose channel takes one type only
PROCESSING = ("P", "T", "D", "N")  # every MSH-11 of the corpus (C42)

# frames that are refused for what no simple rule tells; a name with # is the n-th message of its file
ODD = {
    "cdc-data-exchange/0171.hl7": "AR 102",  # one character for several delimiters
    "cosyte-hl7/0065.hl7": "AR 100",  # two delimiters missing
    "cosyte-hl7/0066.hl7": "AR 100",  # no MSH
    "cosyte-hl7/0095.hl7#2": "AR 100",  # the second of three ends in its delimiters
    "hl7apy/0012.hl7": "AR 102",  # no delimiters
    "hl7apy/0019.hl7": "AR 102",  # one character for two delimiters
    "hl7apy/0023.hl7": "AR 102",  # a letter as a delimiter
    "pacs-bridge/0072.hl7": "AR 102",  # one character for all delimiters
    "pacs-bridge/0074.hl7": "AR 102",  # two delimiters missing
    "prime-reportstream/0444.hl7": "AE 100",  # batches: no message inside
    "prime-reportstream/0494.hl7": "AE 100",
    "prime-reportstream/0506.hl7": "AE 100",
    "prime-reportstream/0507.hl7": "AE 100",
    "python-hl7/0008.hl7": "AE 100",  # batches: lines outside of messages
    "python-hl7/0009.hl7": "AE 100",
    "python-hl7/0017.hl7": "AE 100",
    "python-hl7/0018.hl7": "AE 100",
    "python-hl7/0019.hl7": "AE 100",
    "python-hl7/0020.hl7": "AE 100",
    "cosyte-hl7/0231.hl7": "AR 200",  # ADT^A01 where the component separator is another
    "l4h-hl7v2-fhir/0046.hl7": "AR 200",  # a type of somebody's own
    "machete/0023.hl7": "AR 200",  # blanks
    "prime-reportstream/0461.hl7": "AR 200",  # a sentence
    "prime-reportstream/0487.hl7": "AR 200",
    "cosyte-hl7/0140.hl7": "AR 103",  # a character set that table 0211 does not have
    "scout-rad/0062.hl7": "AE 102",  # ISO 8859-1 without MSH-18, where the listener's charset is UTF-8
    "scout-rad/0439.hl7": "AE 102",
}

STILL_ODD = ("AR 200", "AR 103")  # what a client that writes the header anew does not heal
REWRITTEN = {"cosyte-hl7/0161.hl7": "AR 200"}  # ADT@A01, as its own MSH-2 says, which a client writes as it always does

_MESSAGES = re.compile(rb"(?<=[\r\n])(?=MSH[^\w\s])")
_HEADERS = re.compile(rb"(?<=[\r\n])(?:FHS|BHS|BTS|FTS)")
_TRAILERS = re.compile(rb"(?<=[\r\n])(?:BTS|FTS)[^\w\s]")
_LINES = re.compile(rb"[\r\n]+")
_BEFORE = b" \t\r\n\x0b\xef\xbb\xbf"


class Frame(NamedTuple):
    """What goes between VT and FS CR."""

    name: str
    listener: str
    body: bytes
    verdict: str  # "AA", "AR 101"...: what is thought of it
    answer: str  # what is said of it: the same, or "CA", "CR 101"..., or "" where the sender wants no answer

    def __repr__(self) -> str:
        return f"Frame({self.name}, {self.listener}, {self.answer!r})"


def frames(files: Iterable[CorpusFile]) -> Iterator[Frame]:
    """Every file, in order: a batch with its header is one frame, a file of several messages one frame for each."""
    for name, raw, _ in files:
        if is_batch(raw):
            yield _frame(name, raw, _header(batch_members(raw)[:1]))
            continue
        messages = _MESSAGES.split(raw.removeprefix(b"\x0b").removesuffix(b"\x1c\r"))  # two hold their framing
        for number, message in enumerate(messages, 1):
            yield _frame(name if len(messages) == 1 else f"{name}#{number}", message, _header([message]))


def is_batch(raw: bytes) -> bool:
    """Whether the file begins with FHS or BHS, or holds BTS or FTS."""
    return raw.lstrip(_BEFORE)[:3] in {b"FHS", b"BHS"} or _TRAILERS.search(raw) is not None


def batch_members(raw: bytes) -> list[bytes]:
    """The messages of a batch, without its headers and trailers."""
    messages = [_HEADERS.split(message)[0] for message in _MESSAGES.split(raw)]
    return [message for message in messages if message.lstrip(_BEFORE).startswith(b"MSH")]


def rewritten(name: str, listener: str, body: bytes) -> Frame:
    """A message as a foreign client sends it, which may write other bytes than it read; never a batch."""
    header = _header([body])
    odd = REWRITTEN.get(name, ODD.get(name, ""))
    verdict = odd if odd.startswith(STILL_ODD) else _judged("", header)
    return Frame(name, listener, body, verdict, _asked(verdict, header))


def _frame(name: str, body: bytes, header: list[bytes]) -> Frame:
    kind = _place(header, 8)[:3].decode("latin-1").upper()
    verdict = _judged(name, header)
    return Frame(name, FEEDS.get(kind, ELSEWHERE), body, verdict, _asked(verdict, header))


def _header(messages: list[bytes]) -> list[bytes]:
    """The fields of the first line of the first message: MSH-n at n - 1."""
    line = _LINES.split(messages[0].lstrip(_BEFORE), maxsplit=1)[0] if messages else b""
    return line.split(line[3:4]) if line[:3] == b"MSH" and len(line) > 3 else []


def _place(header: list[bytes], field: int) -> bytes:
    return header[field] if len(header) > field else b""


def _judged(name: str, header: list[bytes]) -> str:
    """The answer in original mode."""
    if name in ODD:
        return ODD[name]
    component = _place(header, 1)[:1]
    if not _place(header, 8).split(component)[0] or not _place(header, 9):
        return "AR 101"
    return "AA"


def _asked(answer: str, header: list[bytes]) -> str:
    """What is sent of it: enhanced mode where MSH-15 or MSH-16 says so, nothing where MSH-15 wants nothing."""
    if answer == "AR 100":
        return answer  # no MSH was readable, and so no wish
    accept, application = _place(header, 14), _place(header, 15)
    if not accept and not application:
        return answer
    wanted = {b"NE": False, b"ER": answer != "AA", b"SU": answer == "AA"}
    return f"C{answer[1:]}" if wanted.get(accept, True) else ""
