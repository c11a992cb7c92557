"""A destination's row of config.yaml: where messages go, and what follows when they are not taken."""

from typing import Annotated, Literal

from pydantic import Field

from engine.channel.amounts import MIB, Bytes, Charset, Model, Port, Seconds
from engine.channel.tls_config import DestinationTls


class DestinationConfig(Model):
    """Where messages go."""

    host: str
    port: Port
    tls: DestinationTls | None = Field(None, description="messages leave encrypted; docs/tls.md")
    lanes: Annotated[int, Field(ge=1, le=64, description="connections; 1: all messages in strict order")] = 1  # D7
    stat_lane: Annotated[bool, Field(description="a lane of its own for orders with priority STAT")] = False
    on_reject: Literal["park", "hold", "retry", "skip"] = Field("park", description="what follows AE, CE or AR")  # D8
    control_id: Literal["own", "keep"] = Field("own", description="MSH-10: one of ours, or as it came")  # D9
    acknowledgement: Literal["original", "keep"] = Field(
        "original", description="MSH-15 and MSH-16: emptied, so that every message is answered; or as they came"
    )
    charset: Charset = "utf-8"
    unencodable: Literal["transliterate", "question", "hold"] = Field(
        "transliterate", description="what becomes of a character that the charset lacks"
    )
    profile: str = Field("dcm4chee", description="what the receiver reads; mappings/profiles.yaml")
    ack_timeout: Seconds = Field(30.0, description="silence after which a message is sent again")
    max_bytes: Bytes = Field(16 * MIB, description="of one message")
