"""`run_python` finds its class by entry point, as installed, when the site is loaded; what it cannot make is a finding."""

import sys
from pathlib import Path

import pytest

from engine.channel.site import Loaded, load_site
from engine.check.channel_tests import run_tests
from tests.example_package import add_channel, install
from tests.site_copy import copied

WHERE = "channels/weights_to_registry.yaml:9:11 REF005"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built and installed once."""
    return install(tmp_path_factory.mktemp("example"))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The shipped site with the example's channel."""
    copied(tmp_path)
    add_channel(tmp_path, 2583)
    return tmp_path


def findings(loaded: Loaded) -> list[str]:
    return [str(finding) for finding in loaded.findings]


def distribution(folder: Path, point: str, module: str) -> None:
    """A distribution as pip would leave it: one module, one entry point."""
    (folder / "other_steps.py").write_text(module)
    information = folder / "other_steps-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: other-steps\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[backstory.steps]\n{point}\n")


def test_the_example_is_found_made_and_passes_its_channels_tests(
    site: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instance has the options of the step; the channel's four tests run it."""
    monkeypatch.syspath_prepend(installed)
    loaded = load_site(site)
    assert loaded.site is not None, findings(loaded)
    ((key, step),) = loaded.site.mappings.plugins.items()
    assert key == ("weight_in_kilograms", (("code", "29463-7"),))
    assert type(step).__module__ == "hospital_steps.weight"
    results = list(run_tests(loaded.site, ["weights_to_registry"]))
    assert [result.failures for result in results] == [(), (), (), ()]


def test_a_step_that_is_not_installed_is_a_finding(site: Path) -> None:
    """The control of the test above: no package, no site; with where it stands, and what is installed."""
    (found,) = findings(load_site(site))
    assert found == (
        f"{WHERE} no Python step 'weight_in_kilograms' is installed under the entry points backstory.steps; installed: none"
    )


def test_a_misspelt_step_says_what_was_meant(site: Path, installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are compared with those that are installed."""
    monkeypatch.syspath_prepend(installed)
    path = site / "channels" / "weights_to_registry.yaml"
    path.write_text(path.read_text().replace("name: weight_in_kilograms", "name: weight_in_kilogram"))
    (found,) = findings(load_site(site))
    assert found.endswith("did you mean weight_in_kilograms?")


@pytest.mark.parametrize(
    ("point", "module", "said"),
    [
        ("other_steps:Step", "class Step:\n    pass", "cannot be made: TypeError: Step() takes no arguments"),
        ("other_steps:Step", "def Step(code):\n    return code", "cannot be called with a message"),
        ("other_steps:Gone", "", "cannot be made: AttributeError: module 'other_steps' has no attribute 'Gone'"),
        ("other_steps:Step", "import no_such_module", "cannot be made: ModuleNotFoundError: No module named 'no_such_module'"),
        ("other_steps:Step", "def Step(code):\n    raise ValueError(f'no {code} here')", "cannot be made: ValueError: no 29463-7 here"),
    ],
    ids=["arguments", "not callable", "no class", "no module", "raises"],
)  # fmt: skip
def test_a_class_that_cannot_be_made_is_a_finding_with_its_reason(  # noqa: PLR0917 - three of them say what is wrong
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, module: str, said: str
) -> None:
    """Its words are the administrator's own: no message has been seen yet."""
    target = tmp_path / "python"
    target.mkdir()
    distribution(target, f"weight_in_kilograms = {point}", module)
    monkeypatch.syspath_prepend(target)
    monkeypatch.delitem(sys.modules, "other_steps", raising=False)
    (found,) = findings(load_site(site))
    assert found == f"{WHERE} the Python step 'weight_in_kilograms' {said}"
