"""Every YAML block of README and docs is a channel that lints and whose tests pass."""

import re
import shutil
from pathlib import Path

import pytest

from engine.channel.site import load_site
from engine.check.channel_tests import run_tests
from engine.check.lint import lint

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [
    block for page in PAGES for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
]


def test_there_is_a_block():
    """The README shows a channel."""
    assert BLOCKS


@pytest.mark.parametrize("block", BLOCKS)
def test_a_channel_in_the_documents_lints_and_passes(block, tmp_path):
    """Put into the shipped site as a file of its own, it has no finding and its tests pass."""
    for name in ("channels", "mappings"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "config.yaml", tmp_path)
    name = re.match(r"channel: (\w+)", block)[1]
    (tmp_path / "channels" / f"{name}.yaml").write_text(block)
    assert [str(finding) for finding in lint(tmp_path)] == []
    results = [result for result in run_tests(load_site(tmp_path).site) if result.channel == name]
    assert results
    assert [result.failures for result in results] == [()] * len(results)
