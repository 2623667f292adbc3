"""SOPHGO's chips, reached through TPU-MLIR and simulated on this computer."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgewright.errors import UserError
from edgewright.files import digest_of
from edgewright.findings import Finding
from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.qdq import write_qdq
from edgewright.targets.artifact import Artifact, PortSpec
from edgewright.targets.backend import Capabilities, Session
from edgewright.targets.facts import capabilities_of, load_facts
from edgewright.targets.layered import Single, Traceable, sort_out
from edgewright.targets.sophgo.build import (
    LOWERED,
    Samples,
    Transformed,
    compile_module,
    gather,
    identity,
    lookup_in,
    module_files,
    module_in,
    tables_for,
    transform,
)
from edgewright.targets.sophgo.calibration import methods, vendor_plan
from edgewright.targets.sophgo.emulate import shifting_emulation
from edgewright.targets.sophgo.layers import errors_alone, present_tensors, program
from edgewright.targets.sophgo.lowered import built_plan
from edgewright.targets.sophgo.mlir import parse_mlir, tensor_types
from edgewright.targets.sophgo.plan import Tables
from edgewright.targets.sophgo.process import VENDOR, toolchain_environment
from edgewright.targets.sophgo.readback import (
    changed_grids,
    check_modes,
    counts,
    estimated_ms,
    float_before_codes,
)
from edgewright.targets.sophgo.review import DIFFERENT, review
from edgewright.targets.sophgo.session import Feeds, Outputs, Simulation, SophgoSession
from edgewright.targets.sophgo.settle import expected_plan
from edgewright.targets.sophgo.tables import is_asymmetric
from edgewright.toolchains.environments import Environment
from edgewright.toolchains.vendors import vendor_spec

_IDENTITY_SAMPLES = 2
"""Images on which chip file and lowered module are compared, one in float: the chip simulated takes seconds each."""
_CHIP_IMAGES = 64
"""Most images on which figures are taken of the chip's file itself."""


class SophgoBackend:
    """See `targets.backend.Backend`.

    Args:
        chip: name in `facts.toml`.
        version: of TPU-MLIR; None for the default one.
    """

    def __init__(self, chip: str, version: str | None = None) -> None:
        self._chip, self._version = chip, version
        self._facts: Mapping[str, Any] = load_facts(VENDOR)["chips"][chip]

    def capabilities(self) -> Capabilities:
        """What the chip can do."""
        return capabilities_of(
            VENDOR,
            self._chip,
            self._version_name,
            runs_here=platform.machine() == "x86_64" and platform.system() == "Linux",
            reason="TPU-MLIR exists for Linux on x86-64 only",
            emulated=True,
            ran_on=f"TPU-MLIR {self._version_name}, {self._chip} simulated",
            needs_samples=True,
            float_tolerance=self._facts["float_tolerance"],
        )

    def toolchain(self) -> Mapping[str, str]:
        """Version of TPU-MLIR."""
        return {"TPU-MLIR": self._version_name}

    @property
    def _version_name(self) -> str:
        return vendor_spec(VENDOR).version_name(self._version)

    def host(self) -> Mapping[str, str]:
        """The environment: what the chip is simulated with, not this computer, decides what comes out."""
        return {"architecture": platform.machine(), "environment": self._environment().digest}

    def build(self, model: Model, plan: PrecisionPlan | None, folder: Path, samples: Samples | None = None) -> Artifact:
        """Build for the chip, read back what was built, and compare it with the module that is measured."""
        return self._made(model, plan, folder, samples, whole=True)

    def draft(self, model: Model, plan: PrecisionPlan, folder: Path, samples: Samples | None = None) -> Artifact:
        """The module that is measured, without the chip's file: compiling takes ten times as long as all before."""
        return self._made(model, plan, folder, samples, whole=False)

    def _made(
        self, model: Model, plan: PrecisionPlan | None, folder: Path, samples: Samples | None, *, whole: bool
    ) -> Artifact:
        self._check(model, plan)
        made = self._environment()
        read = transform(made, model, folder / "build")
        tables = self._tables(model, plan, read, samples)
        name = f"model.{self._facts['artifact']}"
        answer = compile_module(made, read, self._chip, self._mode(plan), name, tables, whole=whole)
        files = gather(model, read, answer, folder)
        return Artifact(
            target=f"{VENDOR}/{self._chip}",
            precision="float" if plan is None else "int8",
            files=files,
            folder=folder,
            inputs=tuple(PortSpec(spec) for spec in model.inputs),
            outputs=tuple(PortSpec(spec) for spec in model.outputs),
            toolchain=self.toolchain(),
            digest=self._digest(model, plan, tables),
            read_back=self._read_back(made, folder, files, plan, tables, samples if whole else None),
        )

    def open(self, artifact: Artifact) -> Session:
        """Open an artifact in TPU-MLIR's interpreter, or on the model of the chip where that rounds otherwise."""
        artifact.require(f"{VENDOR}/{self._chip}")
        if artifact.read_back.get("most_images") is not None:
            return self.open_chip(artifact)
        return SophgoSession(artifact, self._simulation(self._environment(), artifact.folder, artifact.files))

    def open_chip(self, artifact: Artifact) -> Session:
        """Open an artifact on the vendor's model of the chip: bit by bit as the chip, seconds for each sample."""
        artifact.require(f"{VENDOR}/{self._chip}")
        chip = Simulation(self._environment(), "chip", [artifact.path])
        return SophgoSession(artifact, chip)

    def trace(self, artifact: Artifact, tensors: Sequence[str], feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Inner tensors as the lowered module computes them, dequantised."""
        lookup = lookup_in(artifact.folder)
        names = {tensor: name for name, tensor in lookup.tensors.items()}
        missing = [tensor for tensor in tensors if tensor not in names]
        if missing:
            raise UserError(f"the artifact has no tensor {missing[0]!r}", where=str(artifact.path))
        simulation = self._simulation(self._environment(), artifact.folder, artifact.files)
        wanted = list(dict.fromkeys(tensors))
        for values in simulation.run(feeds, [names[tensor] for tensor in wanted]):
            yield dict(zip(wanted, values, strict=True))

    def traceable(self, model: Model, artifact: Artifact) -> Traceable:
        """Tensors of the lowered module; see `targets.layered.Layered`."""
        where = f"TPU-MLIR {artifact.toolchain['TPU-MLIR']}, lowered module for {self._chip}"
        return sort_out(model, where, present_tensors(*module_in(artifact.folder)), self._facts["float_tolerance"])

    def single(
        self, artifact: Artifact, plain: Artifact, tensors: Collection[str], samples: Iterable[tuple[Feeds, Outputs]]
    ) -> Iterator[Single]:
        """Ops of the lowered module one by one, and tensors of the float one; see `targets.layered.Layered`."""
        made, files = self._environment(), module_files(artifact.folder, artifact.files)
        steps = program(*module_in(artifact.folder), tensors)
        # by the names of what was quantised: they are what is to be proven
        in_float = tensor_types(module_in(plain.folder)[0])
        names = {
            name: found for name, found in present_tensors(*module_in(artifact.folder)).items() if found in in_float
        }
        wanted = [name for name in tensors if name in names]
        simulation = self._simulation(made, plain.folder, plain.files)
        for feeds, values in samples:
            real = next(simulation.run([feeds], [names[name] for name in wanted]))
            yield Single(dict(zip(wanted, real, strict=True)), errors_alone(made, files, steps, feeds, values))

    def write_plan(self, model: Model, plan: PrecisionPlan, folder: Path, samples: Samples | None = None) -> Path:
        """Tables for the plan, and the module that TPU-MLIR lowers by them; returns the path of the module.

        Nothing is compiled: this takes seconds, and `read_plan` of it says how the chip would compute the plan.
        """
        return self.draft(model, plan, folder, samples).path

    def read_plan(self, path: Path) -> PrecisionPlan:
        """What a lowered module says; `names.json` lies beside it."""
        return built_plan(parse_mlir(path.read_text(encoding="utf-8")), lookup_in(path.parent))

    def calibrations(self) -> tuple[str, ...]:
        """TPU-MLIR's own calibrations."""
        return tuple(methods(self._version_name))

    def vendor_plan(
        self, model: Model, plan: PrecisionPlan, method: str, samples: Samples, folder: Path
    ) -> PrecisionPlan:
        """See `targets.backend.Calibrating`."""
        made = self._environment()
        return vendor_plan(made, plan, transform(made, model, folder / "calibration"), samples, method)

    def expected_plan(self, model: Model, plan: PrecisionPlan) -> PrecisionPlan:
        """What the chip is expected to make of a plan, without asking TPU-MLIR: what an emulation should compute."""
        return expected_plan(model, plan, self._facts["family"], asymmetric=self._asymmetric(plan))

    def emulation(self, model: Model, plan: PrecisionPlan) -> Model:
        """See `targets.backend.Emulating`."""
        return (shifting_emulation if self._facts["family"] == "bm1684" else write_qdq)(model, plan)

    def review(self, artifact: Artifact, plan: PrecisionPlan | None) -> list[Finding]:
        """Ops in float against the plan, grids that the compiler changed, a chip file that computes something else."""
        return review(artifact, plan)

    def _environment(self) -> Environment:
        return toolchain_environment(self._version)

    def _mode(self, plan: PrecisionPlan | None) -> str:
        return self._facts["float_mode"] if plan is None else "INT8"

    def _tables(
        self, model: Model, plan: PrecisionPlan | None, read: Transformed, samples: Samples | None
    ) -> Tables | None:
        if plan is None:
            return None
        wide = self._facts["wide_modes"][0]
        return tables_for(model, plan, read, wide, samples, asymmetric=self._asymmetric(plan))

    def _asymmetric(self, plan: PrecisionPlan) -> bool:
        """Whether TPU-MLIR is asked for zero points: where the chip has them, and the plan makes use of them."""
        return not self.capabilities().fusion.symmetric_activations and is_asymmetric(plan)

    def _check(self, model: Model, plan: PrecisionPlan | None) -> None:
        """Refuse what the chip cannot do before minutes are spent on it."""
        facts = self.capabilities()
        if not facts.runs_here:
            raise UserError(f"{facts.target} cannot be built here", why=facts.reason)
        if not facts.min_opset <= model.opset <= facts.max_opset:
            raise UserError(
                f"opset {model.opset} is not one that TPU-MLIR reads ({facts.min_opset} to {facts.max_opset})",
                todo="export the model with another opset",
            )
        widths = set(plan.ops.values()) - {"float"} if plan is not None else set()
        if not widths <= set(facts.precisions):
            raise UserError(
                f"{facts.target} does not compute in {', '.join(sorted(widths - set(facts.precisions)))}",
                why=f"it has {', '.join(facts.precisions)} ({', '.join(self._facts['modes'])} in TPU-MLIR's words)",
                todo="choose another precision or another target",
            )

    def _digest(self, model: Model, plan: PrecisionPlan | None, tables: Tables | None) -> str:
        """Of what went in: TPU-MLIR writes the time of day into the chip's file."""
        return digest_of(
            {
                "model": model.digest,
                "plan": plan.digest if plan is not None else None,
                "tables": [tables.calibration, tables.quantisation] if tables is not None else None,
                "asymmetric": tables is not None and tables.asymmetric,
                "chip": self._chip,
                "mode": self._mode(plan),
                "toolchain": {**self.toolchain(), **self.host()},
            }
        )

    def _simulation(self, made: Environment, folder: Path, files: Sequence[str]) -> Simulation:
        return Simulation(made, "simulate", module_files(folder, files))

    def _read_back(
        self,
        made: Environment,
        folder: Path,
        files: Sequence[str],
        plan: PrecisionPlan | None,
        tables: Tables | None,
        samples: Samples | None,
    ) -> dict[str, Any]:
        lowered = parse_mlir((folder / LOWERED).read_text(encoding="utf-8"))
        feeds = list(samples(1 if plan is None else _IDENTITY_SAMPLES)) if samples is not None else []
        apart = Simulation(made, "chip", [folder / files[0]]), self._simulation(made, folder, files)
        found: dict[str, Any] = {
            **counts(lowered),
            "in_float": check_modes(lowered, tables) if tables is not None else [],
            "ran_on": f"TPU-MLIR {made.version}, {self._chip} simulated",
            "float_before_codes": float_before_codes(lowered),
            "identity": identity(*apart, feeds) if feeds else {"samples": 0},
        }
        if feeds and (found["float_before_codes"] or found["identity"]["relative_l2"] > DIFFERENT):
            found |= {"ran_on": f"{found['ran_on']}, its own file", "most_images": _CHIP_IMAGES}
        if plan is not None and tables is not None:
            built = built_plan(lowered, lookup_in(folder))
            found |= {"widened": list(tables.widened), "changed_grids": changed_grids(plan, built)}
        milliseconds = estimated_ms(folder, self._facts.get("estimate", ""))
        if milliseconds is not None:
            source = f"TPU-MLIR {made.version}, its compiler's static model of {self._chip}; not measured on a chip"
            found["latency_ms"] = {"value": milliseconds, "source": source}
        return found


def open_backend(chip: str, version: str | None = None) -> SophgoBackend:
    """The backend of one chip of this vendor, with a version of TPU-MLIR (None: the default one)."""
    return SophgoBackend(chip, version)
