"""Packing a bundle: a folder that appears complete, and proven to open, or not at all."""

from __future__ import annotations

import datetime
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgewright._version import __version__
from edgewright.bundle.archive import Limits, write_zip_atomic
from edgewright.bundle.golden import Golden, arrays_to_bytes
from edgewright.bundle.manifest import ARTIFACT_FOLDER, DIGEST, MANIFEST, RESTORE, parse_manifest
from edgewright.bundle.open import list_files, open_bundle
from edgewright.bundle.paths import path_problem
from edgewright.bundle.place import check_place, replace_folder, sync
from edgewright.bundle.readme import readme_text
from edgewright.data.contract import Contract
from edgewright.data.image_header import image_header
from edgewright.errors import BundleError
from edgewright.files import explained_write_errors, file_digest
from edgewright.findings import Finding
from edgewright.graph.io import save_model
from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.artifact import Artifact
from edgewright.tasks.base import DecodeSettings, Head
from edgewright.toml_io import dumps_toml
from edgewright.verify.results import Variant


@dataclass(frozen=True)
class Contents:
    """What goes into a bundle.

    Attributes:
        artifact: what ships; its files are copied.
        variant: its name in the table.
        model: as `RunReport.model`; name, digest and opset are kept.
        names: class names by class id; empty when they are not known.
        settings: thresholds for use (`HeadFamily.running`).
        golden: at least one sample, recorded on the session that was verified.
        variants: the rows of the table.
        host: `Backend.host()` where the artifact was proven; empty when no host is bound to it.
        recipe: settings that reproduce the run; what TOML can hold.
        provenance: versions of libraries, command...; JSON types only.
        restore: computes the outputs of the head from those of the artifact; None where they are the same.
        input_path: the way of frames to the artifact's input, as `InputPathInfo` has it; None leaves it out.
        created: UTC time, ISO 8601 to the second; empty takes the present.
    """

    artifact: Artifact
    variant: str
    model: Mapping[str, Any]
    head: Head
    contract: Contract
    settings: DecodeSettings
    golden: Sequence[Golden]
    names: Sequence[str] = ()
    plan: PrecisionPlan | None = None
    variants: Sequence[Variant] = ()
    findings: Sequence[Finding] = ()
    host: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    restore: Model | None = None
    input_path: Mapping[str, Any] | None = None
    created: str = ""


def pack_bundle(folder: Path, contents: Contents) -> Path:
    """Write a bundle, in a temporary folder beside its place, open it as a proof, and only then give it its name.

    The same contents with the same `created` give the same bytes. An older bundle at that place is replaced; anything
    else there is left alone.

    Returns:
        `folder`.

    Raises:
        OutputError: full disk, no right to write, or something that is no bundle is in the way.
        BundleError: the contents make no bundle that would open.
    """
    folder = Path(folder)
    check_place(folder)
    with explained_write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
        try:
            _write(temporary, contents)
            with open_bundle(temporary) as proof:
                proof.golden()
                proof.restore()
            temporary.chmod(0o755)  # mkdtemp makes 0700, results are to be read by others
            replace_folder(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def zip_bundle(folder: Path, file: Path) -> Path:
    """Pack a bundle's folder into one zip file; the same bundle gives the same bytes.

    Returns:
        `file`.

    Raises:
        BundleError: the folder is not a sound bundle.
        OutputError: full disk or no right to write.
    """
    folder, file = Path(folder), Path(file)
    with open_bundle(folder) as bundle:
        names = [MANIFEST, DIGEST, *sorted(bundle.manifest.files)]
        write_zip_atomic(file, [(name, folder / name) for name in names])
    return file


def _write(folder: Path, contents: Contents) -> None:
    for name in contents.artifact.files:
        if reason := path_problem(f"{ARTIFACT_FOLDER}/{name}"):
            raise BundleError(f"the artifact's file {name!r} cannot go into a bundle", why=reason)
        target = folder / ARTIFACT_FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(contents.artifact.folder / name, target)
    golden = [_write_golden(folder, number, sample) for number, sample in enumerate(contents.golden)]
    texts = {"recipe.toml": dumps_toml(contents.recipe), "README.txt": readme_text(contents)}
    if contents.plan is not None:
        texts["plan.json"] = _json(contents.plan.to_json())
    if contents.restore is not None:
        save_model(contents.restore, folder / RESTORE)
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode("utf-8"))
    data = _describe(contents, golden) | {"files": _file_table(folder)}
    manifest = _json(data).encode("utf-8")
    parse_manifest(manifest, str(folder))
    (folder / MANIFEST).write_bytes(manifest)
    (folder / DIGEST).write_bytes(f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode())
    sync(folder)


def _write_golden(folder: Path, number: int, sample: Golden) -> dict[str, Any]:
    stem = f"golden/{number:03d}"
    files = {
        f"{stem}-inputs.npz": arrays_to_bytes(sample.inputs),
        f"{stem}-outputs.npz": arrays_to_bytes(sample.outputs),
    }
    image = None
    if sample.image is not None:
        header = image_header(sample.image)
        image = f"{stem}-image.{header.format.lower() if header else 'bin'}"
        files[image] = sample.image
    (folder / "golden").mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    inputs, outputs, *_ = files
    return {"inputs": inputs, "outputs": outputs, "image": image, "tolerance": float(sample.tolerance)}


def _describe(contents: Contents, golden: list[dict[str, Any]]) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "schema_version": 3 if contents.input_path is not None else 2 if contents.restore is not None else 1,
        "created": contents.created or now,
        "tool": __version__,
        "target": contents.artifact.target,
        "variant": contents.variant,
        "artifact": contents.artifact.to_json(),
        "model": {key: contents.model[key] for key in ("name", "digest", "opset")},
        "head": contents.head.to_json(),
        "contract": contents.contract.model_dump(mode="json"),
        "names": list(contents.names),
        "decode": asdict(contents.settings),
        "host": dict(contents.host),
        "variants": [variant.to_json() for variant in contents.variants],
        "findings": [finding.to_json() for finding in contents.findings],
        "recipe": dict(contents.recipe),
        "plan": None if contents.plan is None else "plan.json",
        "provenance": dict(contents.provenance),
        "golden": golden,
        **_describe_restore(contents.restore),
        **({} if contents.input_path is None else {"input_path": dict(contents.input_path)}),
    }


def _describe_restore(restore: Model | None) -> dict[str, Any]:
    if restore is None:
        return {}
    return {"restore": {"file": RESTORE, "outputs": [spec.to_json() for spec in restore.outputs]}}


def _file_table(folder: Path) -> dict[str, dict[str, Any]]:
    sizes = list_files(folder, str(folder), Limits())
    return {name: {"sha256": file_digest(folder / name), "bytes": sizes[name]} for name in sorted(sizes)}


def _json(data: Any) -> str:
    return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
