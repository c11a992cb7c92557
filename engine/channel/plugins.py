"""The Python classes that `run_python` calls: found by entry point and made when the site is loaded (C31)."""

from importlib.metadata import EntryPoint, entry_points

from engine.channel.references import Used
from engine.source import Finding, meant
from engine.steps.mappings import PythonStep
from engine.steps.run_python import GROUP, RunPython

Plugins = dict[tuple[str, tuple[tuple[str, str], ...]], PythonStep]


def make_plugins(channels: Used) -> tuple[Plugins, list[Finding]]:
    """One instance for each (name, options) that the channels use, and a finding for each that cannot be made."""
    plugins: Plugins = {}
    findings: list[Finding] = []
    for document, channel in channels:
        for n, step in enumerate(channel.steps):
            if not isinstance(step, RunPython) or step.key in plugins:
                continue
            made = _make(step)
            if isinstance(made, str):
                findings.append(document.finding(("steps", n, "name"), "REF005", made))
            else:
                plugins[step.key] = made
    return plugins, findings


def _make(step: RunPython) -> PythonStep | str:
    """The instance, or why there is none."""
    installed = {point.name: point for point in entry_points(group=GROUP)}
    point = installed.get(step.name)
    if point is None:
        known = meant(step.name, installed) or f"; installed: {', '.join(sorted(installed)) or 'none'}"
        return f"no Python step {step.name!r} is installed under the entry points {GROUP}{known}"
    return _called(point, step)


def _called(point: EntryPoint, step: RunPython) -> PythonStep | str:
    try:
        made = point.load()(**step.options)
    except Exception as problem:  # noqa: BLE001 - whatever the class of a site raises, its channel gets a finding
        return f"the Python step {step.name!r} cannot be made: {type(problem).__name__}: {problem}"
    if not callable(made):
        return f"the Python step {step.name!r} cannot be called with a message"
    instance: PythonStep = made
    return instance
