"""Writes the calibration and evaluation images and their labels (COCO JSON) beside this file.

`python -m demo.dataset`, from the root of the repository; needs NumPy and OpenCV only.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2

from demo.scenes import HEIGHT, WIDTH, Scene, make_scene
from demo.shapes import CLASSES

# Far apart, so that no image of one part is an image of another.
TRAINING_SEED, CALIBRATION_SEED, EVALUATION_SEED = 1_000_000, 2_000_000, 3_000_000
IMAGES = 40  # of each part
_JPEG_QUALITY = 87


def _annotations(scene: Scene, image_id: int, first_id: int) -> list[dict[str, object]]:
    """COCO annotations of one scene, boxes as x, y, width, height in pixels."""
    found: list[dict[str, object]] = []
    for box, label in zip(scene.boxes.tolist(), scene.labels.tolist(), strict=True):
        width, height = box[2] - box[0], box[3] - box[1]
        found.append({
            "id": first_id + len(found), "image_id": image_id, "category_id": label + 1,
            "bbox": [box[0], box[1], width, height], "area": width * height, "iscrowd": 0,
        })  # fmt: skip
    return found


def write_part(folder: Path, labels: Path, first_seed: int, count: int = IMAGES) -> None:
    """Write `count` scenes as `<seed>.jpg` into `folder` and their boxes into the file `labels`."""
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for seed in range(first_seed, first_seed + count):
        scene = make_scene(seed)
        name = f"{seed}.jpg"
        if not cv2.imwrite(str(folder / name), scene.image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]):
            raise OSError(f"could not write {folder / name}")
        images.append({"id": len(images) + 1, "file_name": name, "width": WIDTH, "height": HEIGHT})
        annotations += _annotations(scene, len(images), len(annotations) + 1)
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(CLASSES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    # One entry a line: a change shows as the lines it changes.
    parts = (f'"{key}": [\n' + ",\n".join(json.dumps(entry) for entry in content[key]) + "\n]" for key in content)
    labels.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


def write_dataset(folder: Path) -> None:
    """Write both parts under `folder`."""
    write_part(folder / "images" / "calibration", folder / "labels_calibration.json", CALIBRATION_SEED)
    write_part(folder / "images" / "evaluation", folder / "labels.json", EVALUATION_SEED)


if __name__ == "__main__":
    write_dataset(Path(__file__).resolve().parent)
