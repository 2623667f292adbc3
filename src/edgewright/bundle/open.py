"""Opening a bundle: nothing of it is used before all of it is proven to be what was packed."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import weakref
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from typing_extensions import Self

from edgewright.bundle.archive import Limits, extract
from edgewright.bundle.golden import Golden, read_arrays
from edgewright.bundle.manifest import DIGEST, MANIFEST, MAX_MANIFEST_BYTES, Manifest, parse_manifest
from edgewright.bundle.paths import MAX_DEPTH
from edgewright.errors import BundleError, ModelError, TargetMismatch
from edgewright.files import explained_write_errors, file_digest
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.targets.artifact import Artifact


class Bundle:
    """A bundle whose every file was compared with its manifest.

    A bundle from a zip lies in a temporary folder, which is removed on `close`, at the end of a `with`, or with the
    object.

    Attributes:
        manifest: what it says it is.
        folder: where its files lie.
        artifact: the artifact, ready for `Backend.open`.
        digest: SHA-256 of the manifest, which holds that of every file: the identity of the bundle.
    """

    def __init__(self, manifest: Manifest, folder: Path, digest: str) -> None:
        self.manifest = manifest
        self.folder = folder
        self.digest = digest
        self.artifact: Artifact = manifest.to_artifact(folder)
        self._finalizer: weakref.finalize[[Path], Self] | None = None

    def golden(self) -> list[Golden]:
        """The golden samples.

        Raises:
            BundleError: a sample does not belong to the artifact.
        """
        samples = []
        for info in self.manifest.golden:
            inputs = read_arrays(self.folder / info.inputs, self.artifact.inputs)
            outputs = read_arrays(self.folder / info.outputs, self.artifact.outputs)
            image = (self.folder / info.image).read_bytes() if info.image else None
            samples.append(Golden(inputs, outputs, info.tolerance, image))
        return samples

    def restore(self) -> Model | None:
        """What computes the outputs of the head from those of the artifact; None where they are the same.

        Raises:
            BundleError: it is damaged, or does not belong to the artifact or to the manifest.
        """
        info = self.manifest.restore
        if info is None:
            return None
        where = str(self.folder / info.file)
        try:
            model = load_model(self.folder / info.file)
        except ModelError as error:
            _refuse(f"{error.what}; {error.why}", where)
        given = {port.spec.name: port.spec.shape for port in self.artifact.outputs}
        for spec in model.inputs:
            if spec.name not in given or not _fits(given[spec.name], spec.shape):
                _refuse(f"the restoration wants {spec.name!r} {spec.shape}, which the artifact does not give", where)
        if model.outputs != self.manifest.to_outputs():
            _refuse("the restoration gives other outputs than the manifest says", where)
        return model

    def close(self) -> None:
        """Remove the temporary folder, if there is one."""
        if self._finalizer is not None:
            self._finalizer()

    def _owns(self, folder: Path) -> Self:
        self._finalizer = weakref.finalize(self, _remove, folder)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_bundle(path: str | Path, *, target: str | None = None, limits: Limits | None = None) -> Bundle:
    """Open a bundle, a folder or a .zip, and compare every byte of it with its manifest.

    Hashes protect against damage and mistakes, not against a forger, who can write new hashes: fetch bundles from where
    you trust.

    Args:
        path: the bundle.
        target: the `vendor/chip` that it must be for; None takes any.
        limits: what it may cost.

    Raises:
        BundleError: missing, damaged, altered, incomplete, unsafe, beyond the limits, or of a newer schema.
        TargetMismatch: it is for another target than `target`.
    """
    path = Path(path)
    try:
        bundle = _open(path, limits or Limits())
    except OSError as error:
        raise BundleError("this bundle cannot be read", where=str(path), why=error.strerror or str(error)) from error
    if target is not None and bundle.manifest.target != target:
        bundle.close()
        raise TargetMismatch(
            f"this bundle is for {bundle.manifest.target}, not for {target}",
            where=str(path),
            todo=f"deploy the model for {target}, or run the bundle where it belongs",
        )
    return bundle


def _open(path: Path, limits: Limits) -> Bundle:
    if path.is_dir():
        return _open_folder(path, str(path), limits)
    if path.is_file() and path.suffix.lower() == ".onnx":
        raise BundleError(
            f"{path} is a model, not a bundle", todo=f"deploy it first: edgewright deploy {path} --images DIR"
        )
    if path.is_file():
        return _open_zip(path, limits)
    raise BundleError(f"there is no bundle {path}", todo="check the path; a bundle is a folder or a .zip file")


def _open_zip(path: Path, limits: Limits) -> Bundle:
    folder = Path(tempfile.mkdtemp(prefix="edgewright-bundle-"))
    try:
        with explained_write_errors(folder):
            extract(path, folder, limits)
        return _open_folder(folder, str(path), limits)._owns(folder)
    except BaseException:
        _remove(folder)
        raise


def _open_folder(folder: Path, where: str, limits: Limits) -> Bundle:
    present = list_files(folder, where, limits)
    for name in (MANIFEST, DIGEST):
        if name not in present:
            inside = f"pass {folder / 'bundle'}" if f"bundle/{name}" in present else ""
            _refuse(f"{name} is missing", where, what="this is not a bundle", todo=inside)
    data = _read_small(folder / MANIFEST, MAX_MANIFEST_BYTES, where)
    digest = hashlib.sha256(data).hexdigest()
    if _read_small(folder / DIGEST, 256, where).split()[:1] != [digest.encode()]:
        _refuse(f"{MANIFEST} is not the file whose SHA-256 {DIGEST} holds", where)
    manifest = parse_manifest(data, where)
    _compare(folder, where, manifest, present)
    return Bundle(manifest, folder, digest)


def list_files(folder: Path, where: str, limits: Limits) -> dict[str, int]:
    """Relative path and size of every file in `folder`.

    Raises:
        BundleError: it holds a link, a special file, or more than the limits allow.
    """
    found: dict[str, int] = {}
    pending, seen = [("", folder, 0)], 0
    while pending:
        prefix, at, depth = pending.pop()
        for entry in os.scandir(at):
            seen += 1
            name = f"{prefix}{entry.name}"
            mode = entry.stat(follow_symlinks=False)
            if seen > limits.entries or depth > MAX_DEPTH:
                _refuse(f"it holds more than {limits.entries} files or is more than {MAX_DEPTH} folders deep", where)
            if stat.S_ISDIR(mode.st_mode):
                pending.append((f"{name}/", Path(entry.path), depth + 1))
            elif stat.S_ISREG(mode.st_mode):
                found[name] = mode.st_size
            else:
                _refuse(f"{name!r} is a {'symbolic link' if entry.is_symlink() else 'special file'}", where)
    if sum(found.values()) > limits.total_bytes:
        _refuse(f"it has {sum(found.values())} bytes, the limit is {limits.total_bytes}", where)
    return found


def _fits(shape: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether two shapes can be the same; an unknown size, or an unknown shape, fits any."""
    if not shape or not wanted:
        return True
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(a is None or b is None or a == b for a, b in pairs)


def _compare(folder: Path, where: str, manifest: Manifest, present: dict[str, int]) -> None:
    extra = sorted(set(present) - set(manifest.files) - {MANIFEST, DIGEST})
    if extra:
        _refuse(f"it holds {extra[0]!r}, which its manifest does not list", where)
    for name, info in manifest.files.items():
        if name not in present:
            _refuse(f"{name!r} is missing", where)
        if present[name] != info.bytes:
            _refuse(f"{name!r} has {present[name]} bytes, {info.bytes} were packed", where)
        if file_digest(folder / name) != info.sha256:
            _refuse(f"the content of {name!r} is not what was packed (its SHA-256 differs)", where)


def _read_small(path: Path, limit: int, where: str) -> bytes:
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        _refuse(f"{path.name} has more than {limit} bytes", where)
    return data


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _refuse(why: str, where: str, *, what: str = "this bundle is damaged or was altered", todo: str = "") -> NoReturn:
    usual = "fetch the bundle again, or pack it again with `edgewright deploy`"
    raise BundleError(what, where=where, why=why, todo=todo or usual)
