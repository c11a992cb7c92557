"""Helpers of the end-to-end tests are modules beside them; tests run with importlib, so their folder is named here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
