"""The package of examples/weight_in_kilograms as an administrator installs it: built by setuptools, found by entry point."""

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

EXAMPLE = Path(__file__).parents[1] / "examples" / "weight_in_kilograms"
DESTINATION = "dose_registry"


def install(folder: Path) -> Path:
    """Install it into a folder of the test, offline; returns what belongs on the path of Python."""
    source, target = folder / "source", folder / "python"
    shutil.copytree(EXAMPLE, source)  # setuptools builds beside the source
    words = ["install", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target), str(source)]
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *words], check=True, capture_output=True, timeout=300)
    return target


def add_channel(site: Path, port: int) -> None:
    """Copy its channel and sample into a site, and give the site its destination."""
    shutil.copytree(EXAMPLE / "channels", site / "channels", dirs_exist_ok=True)
    config = site / "config.yaml"
    whole = yaml.load(config.read_text(), yaml.BaseLoader)  # noqa: S506 - text only
    whole["destinations"][DESTINATION] = {"host": "127.0.0.1", "port": str(port)}
    config.write_text(yaml.safe_dump(whole, sort_keys=False))
