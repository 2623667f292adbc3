# Runs on TPU-MLIR's Python 3.10: standard library, NumPy and the vendor's modules only.
"""The commands of the worker. The parts lie beside this file; `worker_side` is put on the path by the host."""

from __future__ import annotations

import compile_steps  # type: ignore[import-not-found]
import simulation  # type: ignore[import-not-found]
from worker_side import main  # type: ignore[import-not-found]

if __name__ == "__main__":
    main(
        {
            "transform": compile_steps.transform,
            "lower": compile_steps.lower,
            "deploy": compile_steps.deploy,
            "calibrate": compile_steps.calibrate,
            "simulate": simulation.lowered,
            "alone": simulation.alone,
            "chip": simulation.chip,
        }
    )
