"""Decoding a piece at a time: nothing runs beside one call that decodes many megabytes."""

import codecs
from collections.abc import Iterator

STEP = 256 * 1024  # bytes decoded by one call


def decoded(raw: bytes, codec: str) -> Iterator[str]:
    """The text of these bytes in a codec of Python, piece by piece.

    Raises UnicodeDecodeError as `raw.decode` does: with the offset of the first byte that is no text, in all of them.
    """
    if len(raw) <= STEP:
        yield raw.decode(codec)
        return
    decoder = codecs.getincrementaldecoder(codec)()
    for at in range(0, len(raw), STEP):
        upto = min(at + STEP, len(raw))
        try:
            yield decoder.decode(raw[at:upto], upto == len(raw))
        except UnicodeDecodeError as bad:
            before = upto - len(bad.object)  # what it decoded last begins with what was left of the piece before
            raise UnicodeDecodeError(codec, raw, before + bad.start, before + bad.end, bad.reason) from None
