"""Everything README, CONTRIBUTING and docs show is run: files are written, commands executed, their output compared.

A fenced block says what it is:

    yaml PATH, csv PATH, hl7 PATH   the block is saved under this name in a copy of the site
    yaml add config.yaml            it is merged into that file
    yaml                            it is loaded by the model of what it holds
    console                         `$ ` lines are run one after the other; the lines below one are its output, in order,
                                    where `...` stands for anything and other lines may come between

What goes on (run, sink, demo) is started, used by the commands after it, and stopped at the end as Ctrl-C would.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest
import yaml

from engine.channel.config import SiteConfig
from engine.channel.match import compile_matcher
from engine.channel.model import Channel
from engine.check.channel_tests import ChannelTest
from engine.cli import VERBS
from engine.source import load_yaml

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
LANGUAGES = {"console", "text", "yaml", "hl7", "csv"}
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PORT = re.compile(r"\b25[78]\d\b")
_GOES_ON = re.compile(r"backstory (run|sink|demo)\b(?!.*--(seconds|count|help))")
_TURNS_RIGHT = re.compile(r"backstory (messages|status|explain|logs)\b")  # what the worker and the lanes still work at
_PATIENCE = 20.0


class Block(NamedTuple):
    """A fenced block."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int


class Command(NamedTuple):
    """A `$ ` line and what it is said to print."""

    text: str
    output: list[str]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, *words = match[1].split() or [""]
        found.append(Block(language, tuple(words), match[2], text[: match.start()].count("\n") + 1))
    return found


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block."""
    output: list[str] = []
    command = ""
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if command:
                yield Command(command, output)
            command, output = line[2:], []
        else:
            output.append(line)
    if command:
        yield Command(command, output)


def missing(expected: list[str], printed: str) -> str:
    """The first line that was not printed in its place, or ""."""
    rest = [" ".join(line.split()) for line in printed.splitlines()]
    for line in expected:
        if line.strip() == "...":
            continue
        pattern = re.compile(re.escape(" ".join(line.split())).replace(r"\.\.\.", ".*"))
        at = next((n for n, one in enumerate(rest) if pattern.fullmatch(one)), None)
        if at is None:
            return line
        rest = rest[at + 1 :]
    return ""


class Site:
    """A copy of the shipped site on ports of its own, in which a page's commands are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports: dict[str, str] = {}
        self._going: list[subprocess.Popen[str]] = []
        for name in ("channels", "mappings", "examples"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("build", "*.egg-info"))
        (folder / "config.yaml").write_text(self.local((ROOT / "config.yaml").read_text(encoding="utf-8")))
        scripts = Path(sys.executable).parent
        unmeasured = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")  # other tests run the same code for that
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in unmeasured},
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            **packages(folder / "python"),
        }

    def local(self, text: str) -> str:
        """The text with the documentation's ports replaced by free ones, the same for the same."""
        return _PORT.sub(lambda found: self.ports.setdefault(found[0], str(free_port())), text)

    def save(self, block: Block) -> None:
        """Save a block as a file, or merge it into one."""
        path = self.folder / block.words[-1]
        text = self.local(block.text)
        if block.words[0] == "add":
            whole = yaml.load(path.read_text(), yaml.BaseLoader)  # noqa: S506 - text only
            for name, part in yaml.load(text, yaml.BaseLoader).items():  # noqa: S506 - as above
                whole[name] = {**whole.get(name, {}), **part}
            text = yaml.safe_dump(whole, sort_keys=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, command: Command) -> None:
        """Run a command and compare what it prints."""
        text, output = self.local(command.text), [self.local(line) for line in command.output]
        if text.startswith("make "):
            target = [*shlex.split(text), "--dry-run"]
            subprocess.run(target, cwd=ROOT, check=True, capture_output=True)  # the suite is what `make test` runs
        elif _GOES_ON.match(text):
            self._start(text, output)
        else:
            self._once(text, output)

    def _once(self, text: str, output: list[str]) -> None:
        deadline = time.monotonic() + (_PATIENCE if _TURNS_RIGHT.match(text) else 0)
        while True:
            done = subprocess.run(
                ["/bin/sh", "-c", text],
                cwd=self.folder,
                env=self._environment,
                capture_output=True,
                text=True,
                check=False,
            )
            lacks = missing(output, done.stdout + done.stderr)
            if (done.returncode == 0 and not lacks) or time.monotonic() > deadline:
                break
        assert done.returncode == 0, f"$ {text}\n{done.stdout}{done.stderr}"
        assert not lacks, f"$ {text}\ndid not print {lacks!r} but\n{done.stdout}{done.stderr}"

    def _start(self, text: str, output: list[str]) -> None:
        going = subprocess.Popen(
            shlex.split(text),
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._going.append(going)
        assert going.stdout is not None
        for line in output:
            printed = going.stdout.readline()
            assert not missing([line], printed), f"$ {text}\nprinted {printed!r} instead of {line!r}"
        Thread(target=going.stdout.read, daemon=True).start()

    def stop(self) -> list[int]:
        """Stop what goes on, the last first; the exit statuses."""
        statuses = []
        for going in reversed(self._going):
            going.send_signal(signal.SIGINT)
            try:
                statuses.append(going.wait(30))
            except subprocess.TimeoutExpired:
                going.kill()
                statuses.append(going.wait())
        self._going = []
        return statuses


def packages(target: Path) -> dict[str, str]:
    """The environment in which `pip install` fills a folder that Python then finds packages in, without a download."""
    return {
        "PIP_TARGET": str(target),
        "PYTHONPATH": os.pathsep.join(
            filter(None, (str(target), os.environ.get("PYTHONPATH")))
        ),  # this tree, where it is named
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def load(content: Any) -> None:
    """Load a fragment by the model of what it holds; raises for what is none."""
    if "channel" in content:
        Channel.model_validate(content)
    elif "listeners" in content:
        SiteConfig.model_validate(content)
    elif "accept" in content:
        compile_matcher(content["accept"])
    elif "step" in content:
        Channel.model_validate({"channel": "x", "from": "x", "accept": {"MSH-9": "ADT"}, "steps": [content]})
    elif "test" in content:
        ChannelTest.model_validate(content)
    else:
        raise AssertionError(f"no model for a block with {', '.join(content)}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_shows_works(page: Path, tmp_path: Path) -> None:
    """Its files are saved, its commands run in order, its output appears, and what was started stops cleanly."""
    found = blocks(page)
    if not any(block.language in ("console", "yaml") for block in found):
        return
    site = Site(tmp_path)
    try:
        for block in found:
            if block.language == "console":
                for command in commands(block):
                    site.run(command)
            elif block.words:
                site.save(block)
            elif block.language == "yaml":
                (tmp_path / "fragment.yaml").write_text(block.text)
                load(load_yaml(tmp_path / "fragment.yaml").content)
    finally:
        statuses = site.stop()
    assert statuses == [0] * len(statuses)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_says_what_it_is(page: Path) -> None:
    """No block without a language, and none of a language that nobody runs."""
    assert [block.line for block in blocks(page) if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_verbs_and_links_exist(page: Path) -> None:
    """Every `backstory VERB` in the text is one, and every relative link leads to a file."""
    text = page.read_text(encoding="utf-8")
    verbs = set(re.findall(r"`backstory ([a-z]+)", text))
    assert verbs <= set(VERBS)
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []


# controls: the runner can fail


def test_output_that_does_not_come_is_noticed(tmp_path: Path) -> None:
    """A page that shows another output than the command gives fails."""
    site = Site(tmp_path)
    site.run(Command("backstory check", ["no findings"]))
    with pytest.raises(AssertionError, match="did not print '3 findings'"):
        site.run(Command("backstory check", ["3 findings"]))


def test_a_command_that_fails_is_noticed(tmp_path: Path) -> None:
    """A page with a command that leaves with 1 fails."""
    with pytest.raises(AssertionError, match="no command 'chek'"):
        Site(tmp_path).run(Command("backstory chek", []))


@pytest.mark.parametrize(
    ("expected", "printed", "lacks"),
    [
        (["a", "c"], "a\nb\nc\n", ""),
        (["c", "a"], "a\nb\nc\n", "a"),
        (["a ... c"], "a   b   c", ""),
        (["...", "b"], "a\nb", ""),
        (["a"], "aa", "a"),
    ],
)
def test_comparing_output(expected: list[str], printed: str, lacks: str) -> None:
    """In order, whole lines, blanks of any width, `...` for anything."""
    assert missing(expected, printed) == lacks


def test_a_wrong_fragment_is_noticed() -> None:
    """A YAML block is more than well-formed."""
    with pytest.raises(ValueError, match="channel"):
        load({"channel": "Not A Name", "from": "lab", "accept": {"MSH-9": "ADT"}, "steps": []})
