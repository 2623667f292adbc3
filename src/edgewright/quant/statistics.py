"""What calibration remembers of a tensor: a few numbers and a histogram, whatever the number of images."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.files import write_bytes_atomic
from edgewright.quant.histogram import StreamingHistogram

__all__ = ["Range", "StreamingHistogram", "TensorStatistics", "load_statistics", "save_statistics"]

Range = tuple[float, float]


@dataclass(frozen=True)
class TensorStatistics:
    """What was seen of one tensor over all images. NaN and infinities are counted and otherwise left out.

    Attributes:
        name: the tensor.
        images: number of images (calls of the network) seen.
        count: finite numbers seen.
        non_finite: NaN and infinities seen.
        minimum, maximum: exact; 0 when `count` is 0.
        sum, sum_of_squares: added in float32 within an image and in float64 over images.
        halves: range in the even and in the odd images; None where a half held no finite number.
        histogram: all finite numbers, rounded to 11 significant bits when they came through ONNX Runtime; None when not
            asked for.
    """

    name: str
    images: int
    count: int
    non_finite: int
    minimum: float
    maximum: float
    sum: float
    sum_of_squares: float
    halves: tuple[Range | None, Range | None]
    histogram: StreamingHistogram | None = None

    @property
    def holds_non_finite(self) -> bool:
        """Whether any NaN or infinity was seen."""
        return self.non_finite > 0

    @property
    def range_with_zero(self) -> Range:
        """Exact range, widened to hold 0, for a quantisation grid always does."""
        return min(self.minimum, 0.0), max(self.maximum, 0.0)

    @property
    def mean(self) -> float:
        """Mean of the finite numbers; 0 when there are none."""
        return self.sum / self.count if self.count else 0.0

    @property
    def std(self) -> float:
        """Standard deviation of the finite numbers; 0 when there are none."""
        if not self.count:
            return 0.0
        return math.sqrt(max(0.0, self.sum_of_squares / self.count - self.mean**2))

    def _to_json(self) -> dict[str, Any]:
        fields = {key: value for key, value in self.__dict__.items() if key != "histogram"}
        if self.histogram is not None:
            kept = self.histogram
            fields["histogram"] = [kept.bins, kept.width.hex(), kept.first, kept.counts.size]
        return fields


def save_statistics(path: Path, statistics: Mapping[str, TensorStatistics]) -> None:
    """Write statistics, every number exactly, as an .npz file that appears complete or not at all.

    Raises:
        OutputError: full disk or no right to write.
    """
    counts = [entry.histogram.counts for entry in statistics.values() if entry.histogram is not None]
    text = json.dumps([[key, entry._to_json()] for key, entry in statistics.items()])
    buffer = io.BytesIO()
    joined = np.concatenate([np.zeros(0, np.int64), *counts])
    np.savez_compressed(buffer, text=np.frombuffer(text.encode("utf-8"), np.uint8), counts=joined)
    write_bytes_atomic(path, buffer.getvalue())


def load_statistics(path: Path) -> dict[str, TensorStatistics]:
    """Inverse of `save_statistics`."""
    with np.load(path, allow_pickle=False) as stored:
        text, counts = stored["text"].tobytes().decode("utf-8"), stored["counts"]
    statistics, at = {}, 0
    for key, fields in json.loads(text):
        shape = fields.pop("histogram", None)
        histogram = None
        if shape is not None:
            bins, width, first, size = shape
            histogram = StreamingHistogram.restored(bins, float.fromhex(width), first, counts[at : at + size])
            at += size
        halves = tuple(None if half is None else (half[0], half[1]) for half in fields.pop("halves"))
        statistics[key] = TensorStatistics(**fields, halves=(halves[0], halves[1]), histogram=histogram)
    return statistics
