"""`backstory cert`: doctor by name, port and file; reload; and what `status` says about certificates."""

import time

import pytest

from engine.app.control import ControlServer
from engine.cli.certificate_needs import certificate_needs
from tests.tls.authority import make, root
from tests.tls.test_doctor import GOOD, tls_server

CA = root()
DAY = 24 * 60 * 60 * 1_000_000
NOW = int(time.time()) * 1_000_000


@pytest.fixture
def site(site_folder):
    """A site with TLS on a listener, and a plain one."""
    CA.write(site_folder, "ca")
    CA.issue("engine").write(site_folder, "engine")
    tls = "{certificate: engine.pem, key: engine.key, client_ca: ca.pem}"
    (site_folder / "config.yaml").write_text(f"listeners:\n  lab: {{port: 0, tls: {tls}}}\n  adt: {{port: 0}}\n")
    return site_folder


def test_of_a_listener(backstory, site):
    assert backstory("cert", "doctor", "lab", "--site", site)[::2] == (0, "nothing is wrong\n")
    make("x").write(site, "x")[1].replace(site / "engine.key")
    status, out, _ = backstory("cert", "doctor", "lab", "--site", site)
    assert status == 1
    assert "wrong: " in out
    assert "engine.key: this is not the key of engine.pem" in out


def test_of_a_destination(backstory, site, tmp_path):
    """Its port and our own files; a file of ours that is broken comes first."""
    pacs = CA.issue("pacs", sans=["127.0.0.1"])
    with tls_server(tmp_path, pacs) as port:
        text = f"destinations: {{pacs: {{host: 127.0.0.1, port: {port}, tls: {{ca: ca.pem}}}}}}\n"
        (site / "config.yaml").write_text("listeners: {lab: {port: 0}}\n" + text)
        status, out, err = backstory("cert", "doctor", "pacs", "--site", site)
        assert (status, err) == (0, "nothing is wrong\n")
        assert f"127.0.0.1:{port} speaks TLS 1.3" in out
        (site / "ca.pem").write_text("")
        status, out, _ = backstory("cert", "doctor", "pacs", "--site", site)
        assert (status, out.count("\n")) == (1, 1)
        assert "ca.pem: the file is empty" in out


def test_of_a_port(backstory, site, tmp_path):
    """With the name that was asked for; without a CA the system's."""
    with tls_server(tmp_path, GOOD) as port:
        place = f"127.0.0.1:{port}"
        status, out, err = backstory("cert", "doctor", place, "--server-name", "pacs.hospital")
        assert (status, err) == (1, "1 wrong\n")
        assert "neither in the system's CAs nor sent along" in out
        status, _, err = backstory("cert", "doctor", place, "--certificate", "x.pem")
        assert (status, err) == (1, "backstory: --certificate and --key go together\n")


def test_of_a_file(backstory, site):
    words = ("cert", "doctor", site / "engine.pem", "--key", site / "engine.key", "--ca", site / "ca.pem")
    assert backstory(*words)[::2] == (0, "nothing is wrong\n")
    status, out, _ = backstory(*words, "--server-name", "pacs")
    assert status == 1
    assert "not for pacs but for engine" in out


@pytest.mark.parametrize(
    ("what", "said"),
    [("nothing", "nothing is no listener, no destination, no HOST:PORT and no file"), ("adt", "adt has no `tls:`")],
)
def test_of_nothing(backstory, site, what, said):
    status, _, err = backstory("cert", "doctor", what, "--site", site)
    assert status == 1
    assert said in err


def test_reload_asks_the_engine(backstory, site):
    """What it says is told; a problem leaves with 1, and so does an engine that does not run."""
    status, _, err = backstory("cert", "reload", "--site", site)
    assert status == 1
    assert "reads them when it starts" in err
    answers = iter([{"listener lab": ""}, {"listener lab": "engine.pem: the file is empty"}])
    asked = []

    def handle(command):
        asked.append(command.verb)
        return {"reloaded": next(answers)}

    server = ControlServer(site / "data" / "run" / "supervisor.sock", handle)
    server.start()
    try:
        good = "listener lab: new connections have what the files hold now\n"
        assert backstory("cert", "reload", "--site", site)[:2] == (0, good)
        assert backstory("cert", "reload", "--site", site)[:2] == (1, "listener lab: engine.pem: the file is empty\n")
    finally:
        server.close()
    assert asked == ["certificates", "certificates"]


@pytest.mark.parametrize(
    ("what", "days", "words"),
    [
        ("own certificate", 31, None),
        ("own certificate", 29.5, "the own certificate engine of listener lab expires on 2"),
        ("own certificate", 1.5, ", in 1 day; renew its file, which is taken without a restart"),
        ("own certificate", -1, "the own certificate engine of listener lab expired on 2"),
        ("peer's certificate", 3, "; its owner must renew it"),
        ("own certificate", 0.5, " UTC; renew its file"),
        ("CA certificate", 3, "; put its CA's new one into the file, without which all that it issued is refused"),
        ("revocation list", 31, None),
        ("revocation list", 3, "; fetch its CA's newest"),
        ("revocation list", -1, "the revocation list engine of listener lab expired on "),
    ],
)
def test_what_ends_soon_needs_a_person(what, days, words):
    until = NOW + int(days * DAY)
    ending = {"what": what, "name": "engine", "until": until, "begins": NOW - DAY, "warns": until - 30 * DAY}
    credential = {"owner": "listener lab", "problem": "", "endings": [ending, ending]}
    found = certificate_needs({"processes": {"network": {"certificates": [credential]}}}, NOW)
    assert len(found) == (words is not None)
    assert words is None or words in found[0]


def test_new_files_that_are_not_taken_need_a_person():
    credential = {"owner": "listener lab", "problem": "a.pem: the file is empty", "endings": []}
    (found,) = certificate_needs({"processes": {"network": {"certificates": [credential]}}}, NOW)
    assert found.startswith("listener lab still has its old certificates")


def test_a_certificate_for_another_use_needs_a_person():
    why = "engine may not be used as a server: its extended key usage lacks serverAuth; ask the CA for one with it"
    credential = {"owner": "listener lab", "problem": "", "unfit": why, "endings": []}
    (found,) = certificate_needs({"processes": {"network": {"certificates": [credential]}}}, NOW)
    assert found == f"listener lab has a certificate that peers may refuse: {why}"


def test_what_is_not_used_is_a_note(backstory, site):
    """And nothing is wrong."""
    old = root(key=CA.key, ends=-1)
    CA.write(site, "ca", old)
    status, out, err = backstory("cert", "doctor", site / "engine.pem", "--ca", site / "ca.pem")
    assert (status, err) == (0, "nothing is wrong\n")
    assert "\nnote: Hospital Root CA expired on " in out


def test_what_is_not_valid_yet_needs_a_person():
    ending = {
        "what": "own certificate",
        "name": "engine",
        "until": NOW + 90 * DAY,
        "begins": NOW + DAY,
        "warns": NOW + 60 * DAY,
    }
    credential = {"owner": "listener lab", "problem": "", "endings": [ending]}
    (found,) = certificate_needs({"processes": {"network": {"certificates": [credential]}}}, NOW)
    assert found.startswith("the own certificate engine of listener lab is valid only from 2")
    assert found.endswith("UTC; set the clock right, or wait")
