"""What takes part in a run, with versions: part of every cache key and of provenance."""

from __future__ import annotations

import functools
import hashlib
import platform
from importlib import metadata
from pathlib import Path

from edgewright._version import __version__

_LIBRARIES = ("numpy", "onnx", "onnx-ir", "onnxruntime", "onnxslim", "opencv-python-headless", "pycocotools", "pyyaml")


@functools.cache
def library_versions() -> dict[str, str]:
    """Versions of Edgewright, Python and every library that computes something here."""
    versions = {"edgewright": __version__, "python": platform.python_version()}
    versions.update((name, _version(name)) for name in _LIBRARIES)
    return versions


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


@functools.cache
def code_digest() -> str:
    """SHA-256 over Edgewright's own source: a changed tool must not reuse what an older one computed."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in {".py", ".toml", ".j2", ".css", ".json"}:
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
