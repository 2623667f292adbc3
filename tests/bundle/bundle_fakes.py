"""A small target that really computes, and bundles for it: the tests of bundle and runtime share them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np

from edgewright.bundle.golden import Golden
from edgewright.bundle.pack import Contents
from edgewright.data.contract import Contract, preprocess
from edgewright.data.images import read_image
from edgewright.errors import TargetMismatch
from edgewright.files import file_digest
from edgewright.findings import Finding, Severity
from edgewright.quant.plan import PrecisionPlan
from edgewright.runtime.boundary import feeds_for
from edgewright.targets.artifact import Artifact, PortSpec
from edgewright.targets.backend import Capabilities, FusionProfile
from edgewright.tasks.base import DecodeSettings, Head
from edgewright.tensors import Grid, Part, TensorSpec
from edgewright.verify.results import Latency, Metric, PartError, Variant

TARGET = "fake/chip"
CREATED = "2026-01-02T03:04:05Z"
CONTRACT = Contract(input="image", width=8, height=8, resize="stretch")
IN_GRID = Grid("uint8", np.float32(1 / 255), np.int64(0))
OUT_GRID = Grid("int16", np.float32(0.001), np.int64(0))
HEAD = Head(
    "none",
    "tensors",
    (Part("first", "y", axis=1, start=0, stop=2), Part("second", "y", axis=1, start=2, stop=4)),
    evidence="a test",
)


class FakeSession:
    """y = W x, in real values; codes at the boundary where the artifact has grids. Counts what is open."""

    ran_on = "fake runtime"

    def __init__(self, backend: FakeBackend, artifact: Artifact) -> None:
        self.backend, self.artifact = backend, artifact
        self.weights = np.frombuffer(artifact.path.read_bytes(), np.float32).reshape(4, 192) * backend.gain

    def __call__(self, feeds):
        (port,), (out, _extra) = self.artifact.inputs, self.artifact.outputs
        x = feeds["image"]
        assert x.dtype == port.spec.dtype
        assert x.shape == port.spec.shape
        real = port.grid.dequantise(x) if port.grid else x
        if port.layout == "NHWC":
            real = real.transpose(0, 3, 1, 2)
        y = (self.weights @ real.reshape(-1)).reshape(1, 4).astype(np.float32)
        count = np.array([int(real.sum() + self.backend.extra)], np.int64)
        return {"y": out.grid.quantise(y) if out.grid else y, "count": count}

    def run_many(self, feeds):
        waiting = list(feeds)  # reads ahead, as a target that starts one process for all does
        self.backend.batches.append(len(waiting))
        for sample in waiting:
            yield self(sample)

    def __enter__(self):
        self.backend.opened += 1
        return self

    def __exit__(self, *error):
        self.backend.opened -= 1


class FakeBackend:
    """The part of `Backend` that bundle and runtime use."""

    def __init__(self, *, target=TARGET, architecture="x86_64", runs_here=True, gain=1.0, extra=0, version="1") -> None:
        self.target, self.architecture, self.runs_here = target, architecture, runs_here
        self.gain, self.extra, self.version = np.float32(gain), extra, version
        self.opened, self.batches = 0, []

    def capabilities(self) -> Capabilities:
        none = FusionProfile(frozenset(), frozenset(), frozenset(), frozenset())
        return Capabilities(
            self.target, "Fake chip", ("float",), none, 1, 30, "none", self.runs_here, "it needs the fake device"
        )

    def toolchain(self):
        return {"faketool": self.version}

    def host(self):
        return {"architecture": self.architecture, "cpu": "a fake"}

    def open(self, artifact: Artifact) -> FakeSession:
        if artifact.target != self.target:
            raise TargetMismatch("other target")
        return FakeSession(self, artifact)


def fake_artifact(folder: Path, *, codes: bool = False, layout: str = "NCHW") -> Artifact:
    weights = np.random.default_rng(1).normal(size=(4, 192)).astype(np.float32) / 20
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(weights.tobytes())
    shape = (1, 3, 8, 8) if layout == "NCHW" else (1, 8, 8, 3)
    image = TensorSpec("image", "uint8" if codes else "float32", shape)
    y = TensorSpec("y", "int16" if codes else "float32", (1, 4))
    return Artifact(
        target=TARGET,
        precision="int8" if codes else "float",
        files=("model.bin",),
        folder=folder,
        inputs=(PortSpec(image, layout, IN_GRID if codes else None),),
        outputs=(PortSpec(y, "", OUT_GRID if codes else None), PortSpec(TensorSpec("count", "int64", (1,)))),
        toolchain={"faketool": "1"},
        digest=file_digest(folder / "model.bin"),
    )


def sample_image(path: Path, seed: int = 0, size: tuple[int, int] = (12, 10)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path


def fake_contents(work: Path, *, codes: bool = False, layout: str = "NCHW", **changes) -> Contents:
    artifact = fake_artifact(work / "built", codes=codes, layout=layout)
    image = sample_image(work / "golden.png")
    feeds = feeds_for(artifact, CONTRACT, preprocess(read_image(image), CONTRACT)[0])
    outputs = FakeBackend().open(artifact)(feeds)
    row = Variant(
        "float",
        "fake runtime",
        "float",
        Metric("AP", 44.3, 10, details={"AP50": 60.0}),
        None,
        (PartError("first", 1.0, 0.0, None, 0.0, (0.0, None)),),
        Latency(1.0, 2.0, "measured", 10),
        "reference",
    )
    values = {
        "artifact": artifact,
        "variant": "float",
        "model": {"name": "tiny", "digest": "0" * 64, "opset": 17, "inputs": []},
        "head": HEAD,
        "contract": CONTRACT,
        "settings": DecodeSettings(0.25, 0.5),
        "golden": [Golden(feeds, outputs, 0.001, image.read_bytes())],
        "names": ("cat", "Hündin"),
        "plan": PrecisionPlan("0" * 64, {"x": IN_GRID}, {}, {"n": "int8"}),
        "variants": [row],
        "findings": [Finding("EW503", Severity.INFO, "here", "a finding")],
        "host": {"architecture": "x86_64", "cpu": "a fake"},
        "recipe": {"target": TARGET, "seed": None, "images": 3},
        "provenance": {"numpy": np.__version__},
        "created": CREATED,
    }
    return Contents(**{**values, **changes})


def rewrite_manifest(folder: Path, change) -> None:
    """Change a manifest as somebody would who also mends the hashes: what is behind them must hold by itself."""
    data = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    change(data)
    put_manifest(folder, json.dumps(data).encode())


def put_manifest(folder: Path, data: bytes) -> None:
    (folder / "manifest.json").write_bytes(data)
    (folder / "manifest.json.sha256").write_text(f"{hashlib.sha256(data).hexdigest()}  manifest.json\n")


def rehash(folder: Path) -> None:
    """Enter the files as they now are into the manifest."""

    def change(data):
        data["files"] = {
            file.relative_to(folder).as_posix(): {"sha256": file_digest(file), "bytes": file.stat().st_size}
            for file in folder.rglob("*")
            if file.is_file() and not file.name.startswith("manifest.json")
        }

    rewrite_manifest(folder, change)


def entries_of(folder: Path) -> list[tuple[str, bytes]]:
    return [(f.relative_to(folder).as_posix(), f.read_bytes()) for f in sorted(folder.rglob("*")) if f.is_file()]


def zip_of(path: Path, entries: list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data, compress_type=method)
    return path
