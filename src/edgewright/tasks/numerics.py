"""Activations on the host, safe for the values that broken networks give."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sigmoid(values: NDArray[Any]) -> NDArray[np.float32]:
    """1 / (1 + exp(-x)), any shape, without overflow; NaN stays NaN."""
    # tanh saturates quietly at both ends, exp does not
    return np.asarray(0.5 * np.tanh(0.5 * np.asarray(values, np.float32)) + 0.5, np.float32)
