"""How bodies are kept: as they came, or, where it helps, compressed."""

import hashlib
from typing import Final

import zstandard

from engine.channel.ports import Prepared, Received
from engine.store.dedupe import identified

RAW: Final = 0
ZSTD: Final = 1

_LEVEL = 3
_WORTH = 0.9  # a compressed body is kept when it is at most this share of the raw one


def prepare(received: Received, packer: "Packer") -> Received:
    """Do beforehand, outside of the transaction, what a large body costs in it: compressing, and its digests."""
    digest = hashlib.sha256(received.body).digest()
    return received._replace(prepared=Prepared(*packer.pack(received.body), digest, identified(received)))


class Packer:
    """Compresses and restores; used by one thread at a time.

    Args:
        above: bodies of at most this many bytes are kept as they are. 4,000 fit on one page of SQLite.
    """

    def __init__(self, above: int = 4_000) -> None:
        self._above = above
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._decompressor = zstandard.ZstdDecompressor()

    def pack(self, body: bytes) -> tuple[int, bytes]:
        """(encoding, bytes to keep)."""
        if len(body) <= self._above:
            return RAW, body
        packed = self._compressor.compress(body)
        return (ZSTD, packed) if len(packed) <= _WORTH * len(body) else (RAW, body)

    def unpack(self, encoding: int, kept: bytes) -> bytes:
        return kept if encoding == RAW else self._decompressor.decompress(kept)
