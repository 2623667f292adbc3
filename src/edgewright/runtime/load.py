"""Opening a bundle: it proves itself before it is used."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from edgewright.bundle.archive import Limits
from edgewright.bundle.open import Bundle, open_bundle
from edgewright.graph.rewrites.restoration import Restorer
from edgewright.runtime.golden import check_golden
from edgewright.runtime.host import backend_for, check_host
from edgewright.runtime.predictor import Predictor
from edgewright.targets.backend import Backend


def load(
    path: str | Path, *, check: bool = True, backend: Backend | None = None, limits: Limits | None = None
) -> Predictor:
    """Open a bundle, prove that it belongs here and computes what was packed, and make it ready for images.

    Args:
        path: a bundle, folder or .zip.
        check: run the golden samples; without it nothing is proven of what this host computes.
        backend: what runs the artifact; None looks the bundle's target up.
        limits: what opening may cost.

    Raises:
        BundleError: damaged, altered, unsafe, of a newer schema, or it computes something else than when it was packed.
        TargetMismatch: it belongs to another target, another host or another runtime.
        ToolchainError: the runtime failed.
    """
    with ExitStack() as held:
        bundle = held.enter_context(open_bundle(path, limits=limits))
        backend = backend or backend_for(bundle.manifest, str(path))
        check_host(bundle.manifest, backend, str(path))
        session = held.enter_context(backend.open(bundle.artifact))
        restorer = Restorer(bundle.restore())
        results = check_golden(bundle, session, backend, restorer) if check else ()
        predictor = Predictor(bundle, session, results, restorer)
        _try_once(predictor, bundle)
        predictor.hold(held.pop_all())
    return predictor


def _try_once(predictor: Predictor, bundle: Bundle) -> None:
    """Decode a recorded output: a head that does not fit the artifact is found now, not at the first image."""
    contract = bundle.manifest.contract
    image = np.zeros((contract.height, contract.width, 3), np.uint8)
    _, placement = predictor.prepare(image)
    predictor.decode(bundle.golden()[0].outputs, placement)
