"""Stage: the tensors inside a vendor's own build, beside the float network and our emulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgewright.diagnose.vendor_errors import Comparer
from edgewright.diagnose.vendor_layers import VendorLayers
from edgewright.targets.backend import Backend
from edgewright.targets.layered import Layered
from edgewright.workflow.diagnosed import Subject
from edgewright.workflow.variants import Built

IMAGES = 8
"""Images that tensors are traced on; of each, hundreds of megabytes may lie on disk."""
SINGLE_IMAGES = 2
"""Images that ops are run alone on. The toolchains take ten seconds for one."""


def vendor_stage(subject: Subject, backend: Backend, plain: Built, quantised: Built) -> VendorLayers | None:
    """Compare; None where the target's toolchain shows no inner tensors, or is the emulation itself.

    Raises:
        ToolchainError: the toolchain failed.
    """
    if not isinstance(backend, Layered):
        return None

    def compute(folder: Path) -> dict[str, Any]:
        del folder
        with subject.progress.step("tensors of the toolchain's own build", subject.count(IMAGES)) as advance:
            comparer = Comparer(
                backend=backend,
                model=subject.model,
                source=subject.source,
                plan=subject.plan,
                artifact=quantised.artifact,
                plain=plain.artifact,
                parts=subject.task.head.parts,
                on_image=advance,
            )
            return comparer.compare(list(subject.feeds(IMAGES)), SINGLE_IMAGES).to_json()

    key = {
        "artifacts": [plain.artifact.digest, quantised.artifact.digest],
        "toolchain": dict(backend.toolchain()),
        "host": dict(backend.host()),
        "single": SINGLE_IMAGES,
    }
    return VendorLayers.from_json(subject.run.stage("vendor tensors", subject.stage_key(IMAGES, **key), compute).data)
