"""What `edgewright run` shows and saves of a prediction."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgewright.data.frames import frames
from edgewright.data.images import Image
from edgewright.errors import DataError
from edgewright.files import explained_write_errors, write_bytes_atomic
from edgewright.runtime.decode import Prediction
from edgewright.runtime.predictor import Predictor
from edgewright.tasks.classification import Classes
from edgewright.tasks.detection.detections import Detections
from edgewright.tasks.drawing import draw_detections, draw_keypoints
from edgewright.tasks.keypoints.keypoints import Keypoints


def predicted(
    predictor: Predictor, source: str, confidence: float | None, most: int | None = None
) -> Iterator[tuple[str, Image, Prediction]]:
    """Names, frames and predictions of a source in order; preparing, running and decoding go on side by side.

    Args:
        predictor: belongs to this until it is done.
        source: see `data.frames.frames`.
        confidence: smallest score; None takes the bundle's.
        most: number of frames after which to stop; None: all there are.

    Raises:
        DataError, ToolchainError: after the predictions of what was before.
    """
    waiting: deque[tuple[str, Image]] = deque()  # as many as the stream holds

    def images() -> Iterator[Image]:
        for name, image in itertools.islice(frames(source), most):
            waiting.append((name, image))
            yield image

    with predictor.stream(images(), confidence=confidence) as stream:
        for found in stream:
            name, image = waiting.popleft()
            yield name, image, found


def describe_prediction(found: Prediction) -> dict[str, Any]:
    """A prediction as JSON data: detections, number of keypoints with points, or shapes of raw outputs."""
    if isinstance(found, Detections):
        return {"detections": found.to_json()}
    if isinstance(found, Keypoints):
        return {
            "keypoints": len(found.xy),
            "xy": [[round(float(x), 2), round(float(y), 2)] for x, y in found.xy],
            "scores": [round(float(score), 4) for score in found.scores],
        }
    if isinstance(found, Classes):
        return {"classes": found.to_json()}
    return {"outputs": [{"name": name, "shape": list(values.shape)} for name, values in found.items()]}


def save_drawn(folder: Path, name: str, image: Any, found: Prediction) -> Path:
    """Write an image with what was found drawn on it, as PNG beside others in `folder`.

    Raises:
        DataError: the head has nothing to draw.
        OutputError: the folder cannot be written.
    """
    import cv2

    if isinstance(found, Detections):
        drawn = draw_detections(image, found)
    elif isinstance(found, Keypoints):
        drawn = draw_keypoints(image, found)
    elif isinstance(found, Classes):
        raise DataError("classes of a whole image have no place to be drawn at", todo="leave --save out")
    else:
        raise DataError("this model's head is not known, so there is nothing to draw", todo="leave --save out")
    path = folder / f"{Path(name).name.replace('#', '-')}.png"
    with explained_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(".png", drawn)[1]
    write_bytes_atomic(path, encoded.tobytes())
    return path
