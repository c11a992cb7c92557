"""TLS001: what is wrong with the files of a `tls:` stands at the key that names the file."""

from pathlib import Path

import pytest

from engine.check.lint import lint
from tests.site_copy import copied, edit
from tests.tls.authority import make, root

CA = root()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The shipped site with TLS on a listener and on its destination, and nothing wrong."""
    copied(tmp_path)
    CA.write(tmp_path, "ca")
    CA.issue("engine").write(tmp_path, "engine")
    (tmp_path / "crl.pem").write_bytes(CA.crl())
    server = "{certificate: engine.pem, key: engine.key, client_ca: ca.pem, crl: crl.pem}"
    edit(tmp_path / "config.yaml", "    port: 2575", f"    port: 2575\n    host: 0.0.0.0\n    tls: {server}")
    edit(tmp_path / "config.yaml", "    host: 127.0.0.1", "    host: 127.0.0.1\n    tls: {ca: ca.pem}")
    return tmp_path


def test_good_files_have_no_finding(site: Path) -> None:
    """The control of the others."""
    assert lint(site) == []


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda site: make("x").write(site, "x")[1].replace(site / "engine.key"), "config.yaml:8:41 TLS001 engine.key: this is not the key of engine.pem"),
        (lambda site: (site / "engine.key").chmod(0o604), "config.yaml:8:41 TLS001 engine.key: everybody on this machine may read the private key"),
        (lambda site: (site / "crl.pem").write_text("x"), "config.yaml:8:77 TLS001 crl.pem: this is no PEM file"),
        (lambda site: CA.issue("engine", ends=-1).write(site, "engine"), "config.yaml:8:10 TLS001 engine expired on "),
        (lambda site: (site / "ca.pem").unlink(), "config.yaml:8:64 TLS001 ca.pem: cannot be read"),
        (lambda site: root("Clients", ends=-1).write(site, "ca"), "config.yaml:8:64 TLS001 ca.pem: Clients expired on "),
        (lambda site: (site / "crl.pem").write_bytes(CA.crl(days=-1)), "config.yaml:8:77 TLS001 crl.pem: the revocation list of CN=Hospital Root CA is out of date"),
        (lambda site: CA.issue("engine", key=_weak()).write(site, "engine"), "config.yaml:8:10 TLS001 engine has an RSA key of 1024 bits"),
    ],
)  # fmt: skip
def test_a_broken_file_is_a_finding_at_its_place(site: Path, change, wanted: str) -> None:
    change(site)
    found = [str(finding) for finding in lint(site)]
    assert any(finding.startswith(wanted) for finding in found), found


def _weak():
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65537, 1024)  # noqa: S505 - what is to be noticed
