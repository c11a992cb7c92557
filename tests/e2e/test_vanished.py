"""Peers whose cable is pulled: no FIN, no RST, and nobody who answers; over a link of its own, where root may make one."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from engine_process import END, START, Engine, sample, wait_for

_PLACE = (
    f"198.18.{os.getpid() // 64 % 256}.{os.getpid() % 64 * 4}"  # of RFC 2544, for tests; one for each process of ours
)
OURS, THEIRS = (str(ip_address(_PLACE) + number) for number in (1, 2))
ORDER = sample("orm_ct_abdomen.hl7")


class Link(NamedTuple):
    """A link to a network of its own, and how to run something there."""

    name: str
    there: tuple[str, ...]

    def pull(self) -> None:
        """Pull the cable at the other end: nothing that is sent arrives, and nobody is told."""
        self._peer("link", "set", "there", "down")

    def plug(self) -> None:
        self._peer("link", "set", "there", "up")

    def _peer(self, *words: str) -> None:
        subprocess.run(["ip", "-n", self.name, *words], check=True, timeout=20)


@pytest.fixture
def link() -> Iterator[Link]:
    """Skips, by name, where no network can be made."""
    name = f"bs{os.getpid()}"
    if subprocess.run(["sh", "-c", f"ip netns add {name} 2>/dev/null"], check=False, timeout=20).returncode:
        pytest.skip("needs root and ip: a peer vanishes only over a link of its own")
    try:
        for words in (
            f"link add {name} type veth peer name there netns {name}",
            f"addr add {OURS}/30 dev {name}",
            f"link set {name} up",
            f"-n {name} addr add {THEIRS}/30 dev there",
            f"-n {name} link set there up",
        ):
            subprocess.run(["ip", *words.split()], check=True, timeout=20)
        yield Link(name, ("ip", "netns", "exec", name))
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True, timeout=20)
        subprocess.run(["ip", "netns", "delete", name], check=True, timeout=20)


@contextmanager
def there(link: Link, words: Sequence[str | Path]) -> Iterator[Any]:
    """A Python at the other end of the link, killed at the end."""
    command = [*link.there, sys.executable, *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


SENDER = """
import socket, sys
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
peer.sendall(bytes.fromhex(sys.argv[3]))
print(peer.recv(65536).hex(), flush=True)
sys.stdin.read()
"""


def test_the_place_of_a_sender_that_vanished_is_free_again(tmp_path: Path, link: Link) -> None:
    """Its connection counts until `idle` is over, and not longer; the next one of the same address is served."""

    def edit(site: Path) -> None:
        config = yaml.safe_load((site / "config.yaml").read_text())
        config["listeners"]["ris"] |= {
            "host": OURS,
            "plaintext": "accepted",
            "allow": [THEIRS],
            "idle": "4s",
            "connections": 1,
        }
        (site / "config.yaml").write_text(yaml.safe_dump(config))

    def open_connections() -> int:
        return engine.command("network", "status")["listeners"]["ris"]["connections"]

    with Engine(tmp_path, edit=edit) as engine:
        words = ["-c", SENDER, OURS, str(engine.ports["ris"]), (START + ORDER + END).hex()]
        with there(link, words) as vanishing:
            assert b"MSA|AA|" in bytes.fromhex(vanishing.stdout.readline())
            assert open_connections() == 1
            link.pull()
            wait_for(lambda: open_connections() == 0, "the connection is given up", 20)
        link.plug()
        with there(link, words) as again:
            assert b"MSA|AA|" in bytes.fromhex(again.stdout.readline())


def test_an_order_for_a_pacs_that_vanished_leaves_when_it_is_back(tmp_path: Path, link: Link) -> None:
    """The lane says in words that nobody answers, gives the dead connection up, and delivers once there is one again."""

    def edit(site: Path) -> None:
        config = yaml.safe_load((site / "config.yaml").read_text())
        config["destinations"]["pacs"] |= {"host": THEIRS, "port": 2580, "ack_timeout": "1s"}
        (site / "config.yaml").write_text(yaml.safe_dump(config))

    received = tmp_path / "received"
    words = ["sink", "--host", THEIRS, "--port", "2580", "--folder", received]
    with there(link, ["-m", "engine.cli", *words]), Engine(tmp_path, edit=edit) as engine:
        second = ORDER.replace(b"SYN0006", b"SYN0106").replace(b"ACC1", b"ACC2")
        assert b"MSA|AA|" in engine.send("ris", ORDER)
        wait_for(lambda: len(list(received.iterdir())) == 1, "the first order arrives")
        link.pull()
        assert b"MSA|AA|" in engine.send("ris", second)

        def lane() -> dict[str, Any]:
            return engine.command("network", "status")["lanes"][0]

        wait_for(lambda: "no answer for 1 s" in lane()["reason"], "the lane says why it waits", 20)
        wait_for(lambda: lane()["tries"] >= 2, "it tries again", 30)
        link.plug()
        wait_for(lambda: lane()["done"] == 2, "the second order is delivered", 60)
        assert {b"ACC2" in file.read_bytes() for file in sorted(received.iterdir())[1:]} == {True}
