"""`send` and `sink` over TLS: to each other, to a listener of the engine, and what they say when a certificate is wrong."""

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from engine.cli.pacs import Behaviour, PacsStandIn
from engine.cli.secure import server
from engine.tls.plan import ServerTls
from tests.tls.authority import make, root

CA = root()
MESSAGE = b"MSH|^~\\&|A|B|C|D|20260820||ORU^R01|C1|P|2.5.1\rPID|1||7\r"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a message and certificates of a receiver and a sender; the current one."""
    monkeypatch.chdir(tmp_path)
    CA.write(tmp_path, "ca")
    CA.issue("pacs", sans=["localhost", "127.0.0.1", "pacs.hospital"]).write(tmp_path, "pacs")
    CA.issue("us").write(tmp_path, "us")
    make("stranger").write(tmp_path, "stranger")
    (tmp_path / "a.hl7").write_bytes(MESSAGE)
    return tmp_path


def wait_until(condition: Callable[[], Any]) -> None:
    """For what the other side's thread does after the client has been told."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@contextmanager
def stand_in(files: Path, *, mutual: bool = False):
    """A stand-in PACS that speaks TLS; its port, what it received and whom it refused."""
    frames: list[bytes] = []
    refused: list[str] = []
    secure = server(ServerTls(files / "pacs.pem", files / "pacs.key", files / "ca.pem" if mutual else None))
    pacs = PacsStandIn("127.0.0.1", 0, Behaviour(), lambda frame, _: frames.append(frame), secure, refused.append)
    pacs.start()
    try:
        yield pacs.port, frames, refused
    finally:
        pacs.close()


def test_the_receivers_certificate_is_checked(files: Path, backstory) -> None:
    """By issuer and name; nothing is sent to a stranger."""
    with stand_in(files) as (port, frames, refused):
        to = ("send", "a.hl7", "--to", f"127.0.0.1:{port}")
        assert backstory(*to, "--ca", "ca.pem")[0] == 0
        assert backstory(*to, "--ca", "ca.pem", "--server-name", "pacs.hospital")[0] == 0
        assert frames == [MESSAGE] * 2
        status, _, err = backstory(*to, "--ca", "ca.pem", "--server-name", "ris.hospital")
        assert status == 1
        assert "TLS: Hostname mismatch, certificate is not valid for 'ris.hospital'; more from: backstory cert" in err
        status, _, err = backstory(*to, "--tls")
        assert status == 1
        assert "TLS: unable to get local issuer certificate; more from: backstory cert doctor 127.0.0.1:" in err
        wait_until(lambda: len(refused) == 2)
    assert len(frames) == 2
    assert {why[:5] for why in refused} == {"TLS: "}


def test_mutual_tls(files: Path, backstory) -> None:
    """Without a certificate, or with a stranger's, nothing is taken and both sides say why."""
    with stand_in(files, mutual=True) as (port, frames, refused):
        to = ("send", "a.hl7", "--to", f"127.0.0.1:{port}", "--ca", "ca.pem")
        assert backstory(*to, "--certificate", "us.pem", "--key", "us.key")[0] == 0
        status, out, err = backstory(*to)
        assert (status, "TLS: " in out + err) == (1, True)
        status, out, err = backstory(*to, "--certificate", "stranger.pem", "--key", "stranger.key")
        assert (status, "TLS: " in out + err) == (1, True)
        wait_until(lambda: "TLS: peer did not return a certificate" in refused)
    assert frames == [MESSAGE]


def test_plain_text_on_a_tls_port_and_the_other_way_round(files: Path, backstory) -> None:
    """Neither hangs; the sender is told."""
    with stand_in(files) as (port, frames, refused):
        status, out, _ = backstory("send", "a.hl7", "--to", port)
        assert (status, "no answer" in out) == (1, True)
        wait_until(lambda: refused)
    assert (frames, len(refused)) == ([], 1)
    pacs = PacsStandIn("127.0.0.1", 0, Behaviour())
    pacs.start()
    status, _, err = backstory("send", "a.hl7", "--to", pacs.port, "--tls", "--timeout", "0.2")
    assert (status, "timed out" in err) == (1, True)
    pacs.close()


def test_old_versions_are_refused(files: Path) -> None:
    """TLS 1.2 and newer only, on both sides."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with stand_in(files) as (port, _, refused), socket.create_connection(("127.0.0.1", port)) as plain:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            old.wrap_socket(plain)
        wait_until(lambda: refused)
        assert "protocol" in refused[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("send", "a.hl7", "--to", 1, "--certificate", "us.pem"), "--certificate and --key go together"),
        (("send", "a.hl7", "--to", 1, "--ca", "a.hl7"), "a.hl7: this is no PEM file"),
        (("send", "a.hl7", "--to", 1, "--certificate", "us.pem", "--key", "pacs.key"), "this is not the key of us.pem"),
        (("sink", "--key", "us.key"), "--certificate and --key go together"),
        (("sink", "--client-ca", "ca.pem"), "--client-ca is for TLS, which needs --certificate and --key"),
        (("sink", "--certificate", "us.pem", "--key", "pacs.key"), "this is not the key of us.pem"),
    ],
)
def test_files_that_do_not_fit_are_named_at_the_start(files: Path, backstory, words, said: str) -> None:
    """Before anything listens or is sent."""
    status, out, err = backstory(*words)
    assert (status, out) == (1, "")
    assert said in err


def test_a_listener_of_the_site_that_speaks_tls(files: Path, backstory) -> None:
    """Its name is enough to know that; which CA is trusted is for the sender to say."""
    with stand_in(files) as (port, frames, _):
        tls = "{certificate: pacs.pem, key: pacs.key}"
        (files / "config.yaml").write_text(f"listeners:\n  lab: {{port: {port}, tls: {tls}}}\n")
        status, _, err = backstory("send", "a.hl7", "--listener", "lab")
        assert status == 1
        assert "listener lab speaks TLS: say --tls, with --ca FILE" in err
        assert frames == []
        assert backstory("send", "a.hl7", "--listener", "lab", "--ca", "ca.pem")[0] == 0
    assert frames == [MESSAGE]


def test_closing_ends_connections_that_stand(files: Path) -> None:
    """Also one that has not shaken hands yet."""
    with stand_in(files) as (port, _, _refused):
        silent = socket.create_connection(("127.0.0.1", port))
        talking = socket.create_connection(("127.0.0.1", port))
        context = ssl.create_default_context(cafile=files / "ca.pem")
        secure = context.wrap_socket(talking, server_hostname="localhost")
    ended = Thread(target=lambda: (silent.recv(1), secure.recv(1)), daemon=True)
    ended.start()
    ended.join(10)
    assert not ended.is_alive()
    silent.close()
    secure.close()
