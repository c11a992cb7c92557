"""What the one answer to a batch mirrors: the header that its control id stands in, or the first message (D16)."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from engine.channel.examine import examine
from engine.channel.verdict import ListenerRules, Verdict
from engine.errors import Unreadable
from engine.hl7.acknowledge import NO_MSH
from engine.hl7.batch import Batch, header_id
from engine.hl7.msh import Msh, header_of, scan_msh
from engine.hl7.received import opened, own_control_id

_BHS_11 = 10  # separators before it

T = TypeVar("T")


class Member(NamedTuple):
    """One message; of a header that cannot be used there is what `header_of` tells, and no verdict."""

    raw: bytes
    msh: Msh | None
    found: Verdict | None

    def __repr__(self) -> str:
        """Without content."""
        return f"<Member, {len(self.raw)} bytes>"


class _Named(NamedTuple):
    """A header with a control id."""

    header: Msh | None  # as an MSH; None where its delimiters cannot be used
    control_id: bytes
    own_id: bytes  # as in Msh


def members(messages: Sequence[bytes], rules: ListenerRules, between: Callable[[], None]) -> list[Member]:
    """Each message judged by itself, read in its own set."""
    return [_member(raw, rules) for raw in _paced(messages, between)]


def mirrored(batch: Batch, heads: Sequence[Msh | None]) -> Msh | None:
    """The header to answer by; `heads` are those of the messages, as `examine` returns them.

    An answer stays away only where each message asks for that.
    """
    first = next((msh for msh in heads if msh is not None), None)
    named = _named(batch.headers, first.codec if first is not None else "")
    accept, application = _wish(heads)
    if named is not None:
        base = _base(named, first)
        own_id = named.own_id if base.codec else b""
        return base._replace(control_id=named.control_id, own_id=own_id, accept=accept, application=application)
    if first is None:
        first = next((msh._replace(control_id=b"") for line in batch.headers if (msh := _as_msh(line))), None)
    return first and first._replace(accept=accept, application=application)


def _member(raw: bytes, rules: ListenerRules) -> Member:
    head = header_of(raw)
    return Member(raw, *examine(raw, head, rules)) if head is not None and head.end else Member(raw, head, None)


def _paced(items: Sequence[T], between: Callable[[], None]) -> Iterator[T]:
    for item in items:
        between()
        yield item


def _base(named: _Named, first: Msh | None) -> Msh:
    """The first message, where the control id reads there as in its header; else that header."""
    header = named.header
    if header is None:
        marks = (first or NO_MSH).separator + (first or NO_MSH).encoding
        return NO_MSH if first is None or set(named.control_id) & set(marks) else first
    alike = first is not None and first.end and (first.separator, first.encoding) == (header.separator, header.encoding)
    return first if first is not None and alike else header


def _named(headers: Sequence[bytes], codec: str) -> _Named | None:
    """The first of the headers that has a control id, read in the set of the messages: BHS and FHS name none."""
    for line in headers:
        read = _opened(line, codec) if codec else line
        found = header_id(read)
        if found:
            header = _as_msh(read)
            own_id = own_control_id(b"MSH" + line[3:], codec, found, _BHS_11) if read is not line else b""
            return _Named(header and header._replace(codec=codec), found, own_id)
    return None


def _opened(line: bytes, codec: str) -> bytes:
    """The header as UTF-8; as it came where its bytes are no text of the set, or its delimiters cannot be used."""
    try:
        return opened(b"MSH" + line[3:], codec)
    except (UnicodeDecodeError, Unreadable):
        return line


def _as_msh(line: bytes) -> Msh | None:
    """FHS and BHS share the first eight fields of MSH; the others mean something else."""
    try:
        found = scan_msh(b"MSH" + line[3:])
    except Unreadable:
        return None
    return found._replace(type=b"", processing=b"", version=b"", charset=b"")


def _wish(heads: Sequence[Msh | None]) -> tuple[bytes, bytes]:
    """MSH-15 and 16 of the whole: what all say, else whatever is always answered."""
    wishes = {(msh.accept, msh.application) for msh in heads if msh}
    if len(wishes) == 1:
        return wishes.pop()
    return (b"AL", b"") if wishes and (b"", b"") not in wishes else (b"", b"")
