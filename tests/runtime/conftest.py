from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_SHARED = Path(__file__).parents[1] / "bundle"
sys.path.insert(0, str(_SHARED))  # bundle_fakes
_spec = importlib.util.spec_from_file_location("bundle_fixtures", _SHARED / "conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)
packed, bundle, temp = _fixtures.packed, _fixtures.bundle, _fixtures.temp
