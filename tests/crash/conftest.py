"""The crash tests drive the same engine as the end-to-end tests; modules beside the tests are imported by name."""

import sys
from pathlib import Path

for folder in (Path(__file__).parent, Path(__file__).parents[1] / "e2e"):
    sys.path.insert(0, str(folder))
