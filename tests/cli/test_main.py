"""The command itself: what it says about verbs, how it fails."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli import VERBS, main, teaching
from engine.errors import ConfigError


def test_without_a_verb_it_lists_them_and_leaves_with_2(backstory) -> None:
    """The overview goes to stderr, since nothing was asked for."""
    status, out, err = backstory()
    assert (status, out) == (2, "")
    assert all(f"  {name} " in err for name in VERBS)


def test_help_goes_to_stdout(backstory) -> None:
    """Asked for, it is the result."""
    status, out, err = backstory("--help")
    assert (status, err) == (0, "")
    assert "backstory VERB --help" in out


def test_version(backstory) -> None:
    """One line."""
    assert backstory("--version")[:2] == (0, "backstory 0.1.0\n")


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_the_help_of_each_verb_teaches_with_an_example(verb: str, backstory) -> None:
    """Every verb can be imported, and its help holds a command to copy on a line of its own."""
    status, out, _ = backstory(verb, "--help")
    assert status == 0
    assert any(line.startswith(f"    backstory {verb}") for line in out.splitlines())


def test_an_unknown_verb_is_one_line_with_a_guess(backstory) -> None:
    """Usage errors leave with 2."""
    assert backstory("mesages") == (2, "", "backstory: there is no command 'mesages'; did you mean 'messages'?\n")


def test_a_wrong_option_is_one_line(backstory) -> None:
    """What the parser says, and where help is."""
    status, out, err = backstory("sink", "--prot", "1")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "--prot" in err
    assert "backstory sink --help" in err


def test_a_site_that_is_none_is_one_line(tmp_path: Path, backstory) -> None:
    """A ConfigError leaves with 1."""
    status, out, err = backstory("status", "--site", tmp_path)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "it has no config.yaml" in err


def test_a_broken_config_is_named_by_file_line_and_column(tmp_path: Path, backstory) -> None:
    """The first finding is the error."""
    (tmp_path / "config.yaml").write_text("listeners:\n  lab: {prot: 1}\n", encoding="utf-8")
    status, _, err = backstory("run", "--site", tmp_path)
    assert status == 1
    assert err.startswith("backstory: config.yaml:2:")


def test_a_file_that_is_not_there_is_one_line(backstory) -> None:
    """An OSError names the file."""
    status, _, err = backstory("send", "/nowhere/a.hl7", "--to", "127.0.0.1:1")
    assert (status, err) == (1, "backstory: /nowhere/a.hl7: No such file or directory\n")


def test_a_surprise_is_one_line_without_its_text(monkeypatch, backstory) -> None:
    """A mistake of ours gives type and place; the text of an exception may quote a message."""
    monkeypatch.setattr("engine.cli._run", lambda _words: {}["PRIVATE^PATIENT"])
    status, _, err = backstory("status")
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith("backstory: unexpected KeyError at ")
    assert "PRIVATE" not in err


def test_an_error_of_several_lines_becomes_one(monkeypatch, backstory) -> None:
    """Whatever an exception says, a person and a log of commands get one line."""

    def fail(_words: list[str]) -> int:
        raise ConfigError("first\n  second")

    monkeypatch.setattr("engine.cli._run", fail)
    assert backstory("status")[2] == "backstory: first second\n"


def test_a_reader_that_left_is_no_error(monkeypatch) -> None:
    """`backstory messages | head` ends without a word."""

    def fail(_words: list[str]) -> int:
        raise BrokenPipeError

    stdout = sys.stdout
    monkeypatch.setattr("engine.cli._run", fail)
    with pytest.raises(SystemExit) as left:
        main([])
    monkeypatch.setattr("sys.stdout", stdout)
    assert left.value.code == 1


def test_ctrl_c_leaves_with_130(monkeypatch, backstory) -> None:
    """As shells expect it."""

    def interrupt(_words: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.cli._run", interrupt)
    assert backstory("status") == (130, "", "")


def test_only_what_a_verb_needs_is_imported() -> None:
    """Help, and a verb that only sends, start without the database, the reactor, the models and the terminal library."""
    code = (
        "import sys\nfrom engine.cli import main\n"
        "try:\n    main(['send', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'sqlalchemy', 'twisted', 'pydantic', 'rich', 'hl7apy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_python_dash_m_is_the_same_command() -> None:
    """`python -m engine.cli` needs no installed script."""
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "backstory 0.1.0\n")


def test_examples_keep_their_lines() -> None:
    """Paragraphs are refilled by the help, examples are not."""
    text = teaching("First sentence.\n\n    More\n    words.\n\n    Examples:\n      one\n      two\n")
    assert text == "First sentence.\n\nMore\nwords.\n\n\b\nExamples:\n  one\n  two"
