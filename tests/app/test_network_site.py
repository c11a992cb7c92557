"""What the network process takes from the site."""

import pytest

from engine.app.network_site import plan_apart, plan_of
from engine.errors import ConfigError
from engine.mllp.sender import Target

CONFIG = """
data: data
listeners:
  ris:
    port: 2579
    processing_ids: [P, T]
    max_bytes: 2048
    idle: 60
    frame_time: 5
    log_control_id: hash
    identity: {charset: 8859/1}
destinations:
  pacs: {host: 10.1.1.1, port: 104, lanes: 4, on_reject: hold, ack_timeout: 5}
"""
CHANNEL = """
channel: local
from: ris
accept:
  any:
    - MSH-9: [ZRD^Z01, ORM^O01]
    - MSH-9.1: ZQX
    - MSH-9: {matches: "^Z"}
steps: []
"""


def test_listeners_destinations_and_types(tmp_path):
    """Each setting arrives where it works, and the types that channels accept literally come from their files."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "channels").mkdir()
    (tmp_path / "channels" / "local.yaml").write_text(CHANNEL)
    plan = plan_of(tmp_path)
    (ris,) = plan.listeners
    assert plan.data == tmp_path / "data"
    assert (ris.host, ris.port, ris.log_control_id) == ("127.0.0.1", 2579, "hash")
    assert (ris.rules.name, ris.rules.processing_ids, ris.rules.charset) == ("ris", {b"P", b"T"}, "iso8859_1")
    assert ris.rules.accepted == {b"ZRD^Z01", b"ORM^O01", b"ZQX"}
    assert ris.limits[:3] == (2048, 60, 5)
    (pacs,) = plan.destinations
    assert pacs == ("pacs", Target("10.1.1.1", 104, 5), 4, "hold", None)


@pytest.mark.parametrize("text", ["listeners: {}", "listeners: {a: {port: x}}", "[", "data: [1]"])
def test_a_configuration_that_cannot_be_used_is_one_line(tmp_path, text):
    """`backstory check` says more."""
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        plan_of(tmp_path)
    assert "\n" not in str(caught.value)


def test_reading_apart_gives_the_same(tmp_path):
    """The plan and the refusal come back from the child as they are."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    assert plan_apart(tmp_path) == plan_of(tmp_path)
    (tmp_path / "config.yaml").write_text("listeners: {}")
    with pytest.raises(ConfigError, match="backstory check"):
        plan_apart(tmp_path)
