"""The command `backstory`: one verb per module, and only the module of the verb asked for is imported.

A mistake of the person or of the site is one line on stderr: exit 2 for a wrong command line, 1 for everything else.
"""

import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import NamedTuple

import typer

from engine import __version__
from engine.errors import BackstoryError

USAGE = 2
FAILURE = 1
INTERRUPTED = 130


class _Verb(NamedTuple):
    name: str
    group: str
    sentence: str


VERBS = {
    verb.name: verb
    for verb in (
        _Verb("demo", "Try it", "Watch a simulated hospital, an engine and a stand-in PACS at work."),
        _Verb("send", "Try it", "Send files of HL7 over MLLP and count the answers."),
        _Verb("sink", "Try it", "Stand in for a PACS: receive over MLLP, answer, show what came."),
        _Verb("check", "Write channels", "Lint the site: config.yaml, channels, mappings."),
        _Verb("test", "Write channels", "Run the tests that stand inside the channels."),
        _Verb("steps", "Write channels", "Explain the steps a channel can be made of."),
        _Verb("schema", "Write channels", "Write the JSON schema that editors complete channels from."),
        _Verb("run", "Operate", "Run the engine for a site, until Ctrl-C."),
        _Verb("status", "Operate", "Say what runs, what waits, and whether somebody is needed."),
        _Verb("enrichment", "Operate", "Turn enrichment on or off; orders always leave."),
        _Verb("channel", "Operate", "Start a channel that stopped after failures; it catches up."),
        _Verb("lane", "Operate", "Hold, release or skip what waits for a destination."),
        _Verb("cert", "Operate", "Say what is wrong with a certificate; take renewed ones."),
        _Verb("logs", "Operate", "Read the events of a channel or a process."),
        _Verb("messages", "Look", "Find messages; show one with its outcome, deliveries and changes."),
        _Verb("explain", "Look", "Say why an order shows what it shows."),
    )
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and leave with its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _run(words)
        sys.stdout.flush()
    except BackstoryError as error:
        status = _complain(str(error))
    except BrokenPipeError:
        # the reader of a pipe (`| head`) has gone: nobody is left to tell, and Python must not try at exit
        sys.stdout = None
        status = FAILURE
    except OSError as error:
        status = _complain(_system_sentence(error))
    except KeyboardInterrupt:
        status = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the command's boundary: a traceback helps nobody and may quote a message
        status = _complain(f"unexpected {_surprise(error)}; please report this line")
    sys.exit(status)


def _run(words: list[str]) -> int:
    if not words or words[0] in ("--help", "-h", "help"):
        typer.echo(_overview(), err=not words)
        return 0 if words else USAGE
    if words[0] in ("--version", "version"):
        typer.echo(f"backstory {__version__}")
        return 0
    name, *rest = words
    if name not in VERBS:
        close = get_close_matches(name, VERBS, n=1)
        return _complain(
            f"there is no command {name!r}" + (f"; did you mean {close[0]!r}?" if close else "; see backstory --help"),
            USAGE,
        )
    try:
        result = _application(name)(rest, prog_name=f"backstory {name}", standalone_mode=False)
    except typer.TyperException as error:
        return _complain(f"{name}: {_one_line(error.format_message())} (see backstory {name} --help)", USAGE)
    except typer.Abort:
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def _application(name: str) -> typer.Typer:
    """The verb's module has either `app`, where it has verbs of its own, or a function of the verb's name."""
    module = import_module(f"engine.cli.{name}")
    app = getattr(module, "app", None)
    if isinstance(app, typer.Typer):
        return app
    return application(getattr(module, name))


def application(command: Callable[..., object], name: str | None = None) -> typer.Typer:
    """A Typer of one command, with the examples of its docstring kept as they are written."""
    app = new_application()
    app.command(name, help=teaching(command.__doc__ or ""))(command)
    return app


def new_application(*, alone: bool = False) -> typer.Typer:
    """A Typer as all verbs want it: plain help, no decorated tracebacks; `alone`: may be called without a sub-verb."""
    return typer.Typer(
        invoke_without_command=alone,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def teaching(docstring: str) -> str:
    """The docstring as help text: paragraphs with indented lines (examples) are not refilled."""
    lines = docstring.expandtabs().strip().split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()), default=0)
    text = "\n".join([lines[0], *(line[margin:] for line in lines[1:])])
    return "\n\n".join(
        f"\b\n{paragraph}" if any(line.startswith(" ") for line in paragraph.split("\n")) else paragraph
        for paragraph in text.split("\n\n")
    )


def _overview() -> str:
    width = max(len(name) for name in VERBS) + 2
    lines = ["Usage: backstory VERB [OPTIONS]", "", "Puts the patient's story on the radiologist's worklist."]
    group = ""
    for verb in VERBS.values():
        if verb.group != group:
            group = verb.group
            lines += ["", f"{group}:"]
        lines.append(f"  {verb.name:<{width}}{verb.sentence}")
    lines += ["", "backstory VERB --help explains a verb with an example.", "Start with: backstory demo"]
    return "\n".join(lines)


def _complain(sentence: str, status: int = FAILURE) -> int:
    typer.echo(f"backstory: {_one_line(sentence)}", err=True)
    return status


def _surprise(error: Exception) -> str:
    """The type of an exception and the place in our code, never its text, which may quote a message."""
    from engine.app.events import surprise  # noqa: PLC0415 - hopefully never needed

    words = surprise(error)
    return f"{words.error} at engine/{words.place}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _system_sentence(error: OSError) -> str:
    """An OSError as a sentence: what, and about which file or address."""
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {what}" if error.filename else what
