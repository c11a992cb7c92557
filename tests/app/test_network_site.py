"""What the network process takes from the site."""

import pytest

from engine.app.network_site import plan_apart, plan_of
from engine.channel.limits import Limits
from engine.errors import ConfigError
from engine.mllp.rules import ConnectionRules
from engine.mllp.sender import Target

CONFIG = """
data: data
listeners:
  ris:
    port: 2579
    processing_ids: [P, T]
    strict: yes
    max_bytes: 2048
    idle: 60
    frame_time: 5
    log_control_id: hash
    identity: {charset: 8859/1, charset_override: ~ISO IR87}
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
    assert ris.rules.override == "iso2022:ascii,jisx0208"
    assert ris.rules.accepted == {b"ZRD^Z01", b"ORM^O01", b"ZQX"}
    assert ris.limits[:3] == (2048, 60, 5)
    assert (ris.rules.strict, ris.limits.strict) == (True, True)
    (pacs,) = plan.destinations
    assert pacs == ("pacs", Target("10.1.1.1", 104, 5), 4, "hold", False, None)


def test_limits_and_whom_a_listener_lets_in(tmp_path):
    """Networks are written out; connections of this machine are counted only where a number is given."""
    (tmp_path / "config.yaml").write_text(
        "listeners:\n"
        "  wide: {port: 1}\n"
        "  narrow: {port: 2, allow: [10.0.0.0/8, 192.168.1.7, '::ffff:10.1.0.0/112', 2001:db8::/32], connections: 3,\n"
        "    max_connections: 7, limits: {segments: 5, field_bytes: 1KiB, messages: 9}}\n"
    )
    wide, narrow = plan_of(tmp_path).listeners
    assert (wide.limits, wide.rules.limits) == (ConnectionRules(), Limits())
    assert narrow.limits.allow == ("10.0.0.0/8", "192.168.1.7/32", "10.1.0.0/16", "2001:db8::/32")
    assert (narrow.limits.per_peer, narrow.limits.count_local, narrow.limits.max_connections) == (3, True, 7)
    assert narrow.rules.limits == Limits(segments=5, field_bytes=1024, messages=9)


@pytest.mark.parametrize("allow", ["[10.0.0.1/8]", "[host.example]", "[10.0.0.0/40]"])
def test_what_is_no_network_is_refused(tmp_path, allow):
    (tmp_path / "config.yaml").write_text(f"listeners: {{a: {{port: 1, allow: {allow}}}}}")
    with pytest.raises(ConfigError, match=r"listeners.a.allow.0"):
        plan_of(tmp_path)


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
