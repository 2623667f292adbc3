# Runs on Paddle Lite's Python 3.7 or 3.9: standard library, NumPy and Paddle Lite only.
"""The commands of the worker. The parts lie beside this file; `worker_side` is put on the path by the host."""

from __future__ import annotations

import optimising  # type: ignore[import-not-found]
import running  # type: ignore[import-not-found]
from worker_side import main  # type: ignore[import-not-found]

if __name__ == "__main__":
    main(
        {
            "optimise": optimising.optimise,
            "ops": optimising.ask_ops,
            "run": running.run,
            "latency": running.latency,
        }
    )
