"""The manifest: what a bundle says it is. Read strictly, for a bundle may come from anywhere."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import Field, ValidationError, model_validator
from typing_extensions import Self

from edgewright.bundle.paths import paths_problem
from edgewright.bundle.schema import (
    ArtifactInfo,
    DecodeInfo,
    FileInfo,
    Frozen,
    GoldenInfo,
    HeadInfo,
    InputPathInfo,
    Json,
    ModelInfo,
    RestoreInfo,
    SafePath,
    Text,
    Texts,
    Word,
)
from edgewright.data.contract import Contract
from edgewright.errors import BundleError
from edgewright.targets.artifact import Artifact
from edgewright.tasks.base import DecodeSettings, Head
from edgewright.tensors import TensorSpec
from edgewright.verify.results import Variant

SCHEMA_VERSION = 3  # 2 may have a restoration, 3 an input path; each is written as the least that it needs to be read
MAX_MANIFEST_BYTES = 16 * 2**20
MAX_FILES = 1000
MANIFEST = "manifest.json"
DIGEST = "manifest.json.sha256"  # in the form of sha256sum, so that `sha256sum -c` reads it
ARTIFACT_FOLDER = "artifact"
RESTORE = "restore.onnx"


class Manifest(Frozen):
    """What a bundle is, what it needs, and what it was measured to do.

    Attributes:
        created: UTC time, ISO 8601.
        tool: version of the Edgewright that packed it.
        host: what `Backend.host` said where the artifact was proven; empty when no host is bound to it.
        variants: rows of the table, as `Variant.to_json`.
        findings: as `Finding.to_json`; codes that this version does not know are kept.
        recipe: settings that reproduce the run.
        plan: the precision plan's file, or None for a float artifact.
        provenance: versions of libraries, host, command.
        restore: what computes the outputs of the head from those of the artifact, or None where they are the same.
        input_path: how frames become the artifact's input, or None where the version that packed it did not say.
        files: every file of the bundle but the manifest and its digest.
    """

    schema_version: Annotated[int, Field(ge=1, le=SCHEMA_VERSION)]
    created: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$")]
    tool: Word
    target: Word
    variant: Word
    artifact: ArtifactInfo
    model: ModelInfo
    head: HeadInfo
    contract: Contract
    names: Annotated[tuple[Text, ...], Field(max_length=100_000)]
    decode: DecodeInfo
    host: Texts
    variants: Annotated[tuple[Json, ...], Field(max_length=1000)]
    findings: Annotated[tuple[Json, ...], Field(max_length=10_000)]
    recipe: Json
    plan: SafePath | None
    provenance: Json
    restore: RestoreInfo | None = None
    input_path: InputPathInfo | None = None
    golden: Annotated[tuple[GoldenInfo, ...], Field(min_length=1, max_length=64)]
    files: Annotated[dict[str, FileInfo], Field(min_length=1, max_length=MAX_FILES)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if problem := paths_problem([MANIFEST, DIGEST, *self.files]):
            raise ValueError(f"files: {problem}")
        named = [f"{ARTIFACT_FOLDER}/{file}" for file in self.artifact.files]
        restore = self.restore.file if self.restore else None
        named += [path for path in (self.plan, restore, *self._golden_files()) if path is not None]
        if missing := [path for path in named if path not in self.files]:
            raise ValueError(f"files: {missing[0]!r} is used, but not listed")
        if self.artifact.target != self.target:
            raise ValueError(f"target is {self.target!r}, but the artifact is for {self.artifact.target!r}")
        self._check_ports()
        return self

    def _golden_files(self) -> list[str | None]:
        return [path for sample in self.golden for path in (sample.inputs, sample.outputs, sample.image)]

    def _check_ports(self) -> None:
        outputs = {spec.name: len(spec.shape) for spec in self.to_outputs()}
        if self.contract.input not in {port.spec.name for port in self.artifact.inputs}:
            raise ValueError(f"contract.input: the artifact has no input {self.contract.input!r}")
        for part in self.head.parts:
            if part.output not in outputs:
                owner = "restoration" if self.restore else "artifact"
                raise ValueError(f"head.parts: the {owner} has no output {part.output!r}")
            if not -outputs[part.output] <= part.axis < outputs[part.output]:
                raise ValueError(f"head.parts: {part.name!r} has axis {part.axis}, which its output has not")
        try:
            self.to_artifact(Path())
            self.to_variants()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error

    def to_artifact(self, folder: Path) -> Artifact:
        """The artifact of the bundle that lies in `folder`."""
        return Artifact.from_json(self.artifact.model_dump(), folder / ARTIFACT_FOLDER)

    def to_head(self) -> Head:
        """The head, to decode with."""
        return Head.from_json(self.head.model_dump())

    def to_outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs that the head is told of: the restored ones where there is a restoration."""
        specs = self.restore.outputs if self.restore else tuple(port.spec for port in self.artifact.outputs)
        return tuple(TensorSpec.from_json(spec.model_dump()) for spec in specs)

    def to_settings(self) -> DecodeSettings:
        """The thresholds for use."""
        return DecodeSettings(**self.decode.model_dump())

    def to_variants(self) -> tuple[Variant, ...]:
        """The rows of the table."""
        return tuple(Variant.from_json(row) for row in self.variants)


def parse_manifest(data: bytes, where: str) -> Manifest:
    """The manifest in `data`.

    Raises:
        BundleError: too large, not JSON, with NaN or repeated keys, of a newer schema, or not a manifest.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        _refuse(f"it has more than {MAX_MANIFEST_BYTES} bytes", where)
    _check_version(_plain_json(data, where), where)
    try:
        return Manifest.model_validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        _refuse(f"{place + ': ' if place else ''}{first['msg']}"[:1000], where, error)


def _plain_json(data: bytes, where: str) -> Any:
    """JSON by the letter: no NaN or infinity, which Python's parser would take, and no key twice."""
    try:
        return json.loads(
            data.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_unique
        )
    except RecursionError as error:
        _refuse("it is nested too deeply", where, error)
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError too
        _refuse(str(error)[:300], where, error)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for key, value in pairs:
        if key in keys:
            raise ValueError(f"the key {key!r} stands twice")
        keys[key] = value
    return keys


def _check_version(data: Any, where: str) -> None:
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        _refuse("it has no schema_version", where)
    if version > SCHEMA_VERSION:
        raise BundleError(
            f"this bundle was packed by a newer Edgewright ({str(data.get('tool', 'unknown version'))[:40]})",
            where=where,
            why=f"its manifest has schema version {version}, this Edgewright reads up to {SCHEMA_VERSION}",
            todo="update Edgewright: pip install --upgrade edgewright",
        )


def _refuse(why: str, where: str, cause: BaseException | None = None) -> NoReturn:
    raise BundleError(
        "the manifest of this bundle cannot be trusted",
        where=where,
        why=why,
        todo="fetch the bundle again, or pack it again with `edgewright deploy`",
    ) from cause
