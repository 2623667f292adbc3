import numpy as np
import pytest

from edgewright.tasks.detection.detections import Detections
from edgewright.tasks.drawing import class_colour, draw_detections, draw_keypoints
from edgewright.tasks.keypoints.keypoints import Keypoints


def detections(*boxes, names=("a very long name of a class that nobody would give to a class at all", "b")):
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32), np.linspace(0.9, 0.2, count, dtype=np.float32), np.arange(count) % 2, names
    )


@pytest.mark.parametrize("size", [(16, 16), (120, 160), (1200, 1600)])
@pytest.mark.parametrize("planes", [(), (1,), (3,)])
def test_boxes_are_drawn_on_a_copy(size, planes):
    image = np.full((*size, *planes), 128, np.uint8)
    before = image.copy()
    height, width = size
    drawn = draw_detections(image, detections((width // 4, height // 2, width // 2, height - 2), (0, 0, 5, 5)))
    assert drawn.shape == (*size, 3)
    assert (image == before).all()
    colour = drawn[height - 2, width // 4 + (width // 8)].astype(int)
    assert abs(colour - class_colour(0)).max() < 90  # the line, perhaps blended


def test_broken_boxes_do_not_break_the_picture():
    image = np.zeros((40, 40, 3), np.uint8)
    broken = [(np.nan, 0, 1, 1), (-1e30, -1e30, 1e30, 1e30), (0, 0, np.inf, 1), (100, 100, 200, 200)]
    assert draw_detections(image, detections(*broken)).shape == (40, 40, 3)
    assert (draw_detections(image, Detections.empty()) == image).all()


def test_colours_of_classes_differ():
    colours = {class_colour(n) for n in range(80)}
    assert len(colours) == 80


def test_keypoints_are_drawn():
    image = np.zeros((60, 60), np.uint8)
    points = Keypoints(np.array([[30, 20], [50, 50]], np.float32), np.array([1, 0.1], np.float32), np.ones((2, 8), "f"))
    drawn = draw_keypoints(image, points)
    assert drawn[20, 30].tolist() == [0, 255, 0]
    assert drawn[50, 50, 2] > drawn[50, 50, 1]
    assert (draw_keypoints(image, Keypoints.empty(8)) == 0).all()
