"""What a listener allows its peers, as numbers (R5)."""

from typing import NamedTuple

from engine.mllp.framing import MAX_BYTES


class ConnectionRules(NamedTuple):
    """Limits of a connection and of its listener."""

    max_bytes: int = MAX_BYTES  # of a frame
    idle: float = 300.0  # seconds of silence
    frame_time: float = 30.0  # seconds in which a frame must arrive, an answer be taken
    per_peer: int = 32  # connections of one address
    max_connections: int = 1024  # of the listener
    allow: tuple[str, ...] = ()  # networks that may connect, as CIDR; empty: everybody
    count_local: bool = False  # count connections of this machine for `per_peer`: a proxy or a test stands there
    strict: bool = False  # FS CR alone ends a frame, and what cannot be framed closes the connection
