"""Other people's MLLP software: node's simple-hl7, which `make test` installs beside the Python packages."""

import shutil
import sys
from pathlib import Path

import pytest

NODE = shutil.which("node")
MODULES = Path(sys.prefix) / "node" / "node_modules"

needs_node = pytest.mark.skipif(NODE is None or not MODULES.exists(), reason="node or simple-hl7 is not installed")
