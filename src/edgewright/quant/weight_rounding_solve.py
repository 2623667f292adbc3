"""Which way each weight of a layer is rounded, from the second moments of the layer's input.

The squared error of a layer's output is a quadratic form in the codes of its weights, so neither a gradient nor a
further run of the network is needed: for the codes c of one output channel, (c - t)' H (c - t) in squares of its step,
where H are the second moments of the input and t the codes of the exact weights, no whole numbers.

Sources: Nagel et al. 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization" (arXiv:2004.10568), for the
objective; Frantar et al. 2022, "GPTQ" (arXiv:2210.17323), for the start by error feedback. What follows is plain
coordinate descent over whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[np.float64]

_BLOCK = 64
"""Columns that are worked on one by one in cache before the rest is brought up to date by one product of matrices."""
_SWEEPS = 8
"""Sweeps of coordinate descent. Three suffice for most layers; a row of many inputs takes a few more."""


@dataclass(frozen=True)
class RoundingProblem:
    """Codes to choose for all output channels of a layer; the layer's groups are solved side by side.

    Attributes:
        moments: (groups, inputs, inputs) second moments of the input, damped: positive definite.
        target: (groups, rows, inputs) codes of the exact weights, no whole numbers.
        low, high: (groups, rows, inputs) least and largest code allowed, whole numbers.
    """

    moments: Wide
    target: Wide
    low: Wide
    high: Wide

    def error(self, codes: Wide) -> Wide:
        """The squared output error of codes, (groups, rows), in squares of each row's step."""
        away = codes - self.target
        return np.asarray(np.einsum("grk,grk->gr", away @ self.moments, away))

    def fit(self, nearest: Wide) -> Wide:
        """Codes whose error is at most that of `nearest`, row by row."""
        found = self.descend(self.feed_back())
        start = self.descend(nearest)
        better = self.error(found) < self.error(start)
        return np.where(better[:, :, None], found, start)

    def feed_back(self) -> Wide:
        """Round column by column; the columns still open make good for the error of each (GPTQ)."""
        order = np.argsort(-np.diagonal(self.moments, axis1=1, axis2=2), axis=1, kind="stable")
        moments = np.take_along_axis(self.moments, order[:, :, None], 1)
        moments = np.take_along_axis(moments, order[:, None, :], 2)
        factor = np.swapaxes(np.linalg.cholesky(np.linalg.inv(moments)), 1, 2)
        open_, low, high = (np.take_along_axis(a, order[:, None, :], 2) for a in (self.target, self.low, self.high))
        codes = np.empty_like(open_)
        width = open_.shape[2]
        for start in range(0, width, _BLOCK):
            stop = min(start + _BLOCK, width)
            errors = np.empty_like(open_[:, :, start:stop])
            for column in range(start, stop):
                value = open_[:, :, column]
                codes[:, :, column] = np.clip(np.rint(value), low[:, :, column], high[:, :, column])
                error = (value - codes[:, :, column]) / factor[:, None, column, column]
                errors[:, :, column - start] = error
                open_[:, :, column + 1 : stop] -= error[:, :, None] * factor[:, None, column, column + 1 : stop]
            open_[:, :, stop:] -= errors @ factor[:, start:stop, stop:]
        back = np.empty_like(codes)
        np.put_along_axis(back, np.broadcast_to(order[:, None, :], codes.shape), codes, 2)
        return back

    def descend(self, codes: Wide, sweeps: int = _SWEEPS) -> Wide:
        """Move one code at a time to its best value, until none moves; never makes a row worse."""
        codes = codes.copy()
        diagonal = np.diagonal(self.moments, axis1=1, axis2=2)
        slope = (codes - self.target) @ self.moments
        width = codes.shape[2]
        for _ in range(sweeps):
            moved = False
            for start in range(0, width, _BLOCK):
                stop = min(start + _BLOCK, width)
                inner = slope[:, :, start:stop].copy()
                moves = np.zeros_like(inner)
                for column in range(start, stop):
                    old = codes[:, :, column]
                    best = np.rint(old - inner[:, :, column - start] / diagonal[:, None, column])
                    move = np.clip(best, self.low[:, :, column], self.high[:, :, column]) - old
                    if not move.any():
                        continue
                    codes[:, :, column] += move
                    moves[:, :, column - start] = move
                    inner += move[:, :, None] * self.moments[:, None, column, start:stop]
                if moves.any():
                    moved = True
                    slope += moves @ self.moments[:, start:stop]
            if not moved:
                break
        return codes
