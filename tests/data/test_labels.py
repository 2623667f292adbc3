import json

import cv2
import numpy as np
import pytest

from edgewright.data.labels import ImageLabels, Labels, load_labels
from edgewright.data.labels.sizes import image_size
from edgewright.errors import DataError


def put_image(path, width=200, height=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((height, width, 3), np.uint8))
    return path


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path, images, *words, names=()):
    with pytest.raises(DataError) as error:
        load_labels(path, images, names)
    for word in words:
        assert word in str(error.value)


@pytest.fixture
def images(tmp_path):
    return [put_image(tmp_path / "images" / f"{n}.jpg") for n in "abc"]


# ---- YOLO


def test_yolo_boxes_are_pixels(tmp_path, images):
    put(tmp_path / "labels" / "a.txt", "2 0.5 0.5 0.5 0.2\r\n\r\n0 0.1 0.9 0.4 0.4\n")
    put(tmp_path / "labels" / "b.txt", "")
    labels = load_labels(tmp_path / "labels", images)
    assert labels.format == "yolo"
    a = labels.of(images[0])
    np.testing.assert_allclose(a.xyxy, [[50, 40, 150, 60], [0, 70, 60, 100]])  # cut at the edge
    assert a.class_ids.tolist() == [2, 0]
    assert a.class_ids.dtype == np.int64
    np.testing.assert_allclose(a.area, [2000, 1800])
    assert not a.crowd.any()
    assert (len(labels.of("b.jpg")), len(labels.of("c.jpg"))) == (0, 0)
    assert labels.unlabelled == ("c.jpg",)
    assert labels.count == 2


@pytest.mark.parametrize("given", ["", "labels", "images"])
def test_yolo_layouts(tmp_path, images, given):
    put(tmp_path / "labels" / "a.txt", "0 0.5 0.5 1 1")
    put(tmp_path / "README.txt", "read me")
    put(tmp_path / "labels" / "classes.txt", "cat\ndog\n")
    labels = load_labels(tmp_path / given, images)
    assert labels.count == 1
    assert labels.names == ("cat", "dog")


def test_yolo_splits_are_told_apart(tmp_path):
    train, val = (put_image(tmp_path / "images" / split / "a.jpg") for split in ("train", "val"))
    put(tmp_path / "labels" / "train" / "a.txt", "1 0.5 0.5 1 1")
    put(tmp_path / "labels" / "val" / "a.txt", "2 0.5 0.5 1 1")
    assert load_labels(tmp_path, [train]).of(train).class_ids.tolist() == [1]
    assert load_labels(tmp_path, [val]).of(val).class_ids.tolist() == [2]
    assert load_labels(tmp_path / "images" / "val", [val]).of(val).class_ids.tolist() == [2]
    refused(tmp_path, [train, val], "two images are called a.jpg")
    refused(tmp_path, [put_image(tmp_path / "elsewhere" / "a.jpg")], "2 label files belong to a.jpg")


def test_yolo_polygons_become_their_boxes(tmp_path, images):
    put(tmp_path / "labels" / "a.txt", "0 0.1 0.2 0.5 0.3 0.4 0.8")
    labels = load_labels(tmp_path, images)
    np.testing.assert_allclose(labels.of("a.jpg").xyxy, [[20, 20, 100, 80]], rtol=1e-6)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("0 0.5 0.5 0.1", "it has 4 fields, not 5"),
        ("0 0.5 0.5 0.1 0.1 0.9", "it has 6 fields, not 5"),
        ("cat 0.5 0.5 0.1 0.1", "cat"),
        ("-1 0.5 0.5 0.1 0.1", "class -1"),
        ("1.5 0.5 0.5 0.1 0.1", "class 1.5"),
        ("1e30 0.5 0.5 0.1 0.1", "class 1e30"),
        ("0 0.5 0.5 -0.1 0.1", "negative"),
        ("0 100 50 20 20", "outside 0..1"),
        ("0 0.5 nan 0.1 0.1", "not finite"),
        ("0 0.5 1e999 0.1 0.1", "not finite"),
    ],
)
def test_yolo_malformed_lines_are_told_with_file_and_line(tmp_path, images, line, word):
    put(tmp_path / "labels" / "a.txt", f"0 0.5 0.5 0.1 0.1\n{line}\n")
    refused(tmp_path, images, "a.txt:2", word)


def test_yolo_class_names_of_data_yaml(tmp_path, images):
    put(tmp_path / "labels" / "a.txt", "0 0.5 0.5 1 1")
    forms = [
        "nc: 2\nnames: ['traffic light', \"it's\"]  # two\n",
        "names:\n  0: traffic light\n  1: it's\ntrain: images\n",
        "names:\n- traffic light\n- it's\nnc: 2\n",
        "names: [traffic light,\n  it's]\n".replace("it's", '"it\'s"'),
        'names: {0: traffic light, 1: "it\'s"}\n',
    ]
    for form in forms:
        put(tmp_path / "data.yaml", form)
        assert load_labels(tmp_path, images).names == ("traffic light", "it's"), form
    put(tmp_path / "data.yaml", "path: .\n")
    assert load_labels(tmp_path, images).names == ()
    for form in ("names: whatever\n", "names:\n  0: a\n  2: b\n", "names: [a, b\n", "names:\n"):
        put(tmp_path / "data.yaml", form)
        refused(tmp_path, images, "data.yaml", "classes.txt")


# ---- what all formats share


def test_labels_of_other_images_are_refused(tmp_path, images):
    put(tmp_path / "labels" / "other.txt", "0 0.5 0.5 1 1")
    refused(tmp_path, images, "none of the 3 images has labels here", "a.jpg")


def test_paths_without_labels(tmp_path, images):
    refused(tmp_path / "nowhere", images, "there is nothing at")
    refused(tmp_path, images, "no labels of a known form", "COCO", "YOLO", "Pascal VOC")
    put(tmp_path / "labels" / "a.txt", "0 0.5 0.5 1 1")
    put(tmp_path / "labels" / "a.xml", "<annotation/>")
    refused(tmp_path, images, "YOLO or Pascal VOC")


def test_hostile_files(tmp_path, images, monkeypatch):
    put(tmp_path / "labels" / "a.txt", b"0 0.5 \xff 0.5 1 1")
    refused(tmp_path, images, "not UTF-8", "a.txt, byte 6")
    put(tmp_path / "labels" / "a.txt", b"0 " * (5 << 20))
    refused(tmp_path, images, "10 MiB", "a.txt")
    put(tmp_path / "labels" / "a.txt", "0 0.5 0.5 1 1")
    put(images[0], b"no image")
    refused(tmp_path, images, "a.jpg")


def test_classes_beyond_the_model(tmp_path, images):
    put(tmp_path / "labels" / "b.txt", "3 0.5 0.5 1 1")
    labels = load_labels(tmp_path, images)
    labels.check_classes(4)
    with pytest.raises(DataError, match=r"(?s)class 3 is labelled, but the model has only classes 0 to 2.*b.jpg"):
        labels.check_classes(3)


def test_image_labels_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"xyxy must be a 2-D array of shape \(n, 4\), but got shape \(2,\)"):
        ImageLabels(np.zeros(2, "f"), np.zeros(0, int), np.zeros(0, bool), np.zeros(0, "f"))
    with pytest.raises(ValueError, match=r"crowd must have shape \(1,\)"):
        ImageLabels(np.zeros((1, 4), "f"), np.zeros(1, int), np.zeros(0, bool), np.zeros(1, "f"))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp", "a.webp"])
def test_image_size_is_that_of_the_decoder(tmp_path, name):
    assert image_size(put_image(tmp_path / name, 37, 21)) == (37, 21)


def test_image_size_follows_exif(tmp_path):
    plain = put_image(tmp_path / "a.jpg", 37, 21).read_bytes()
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6: turned by 90 degrees
    exif = b"Exif\0\0" + tiff
    put(tmp_path / "b.jpg", plain[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + plain[2:])
    assert cv2.imread(str(tmp_path / "b.jpg")).shape[:2] == (37, 21)
    assert image_size(tmp_path / "b.jpg") == (21, 37)


# ---- COCO


def coco(**changes):
    data = {
        "images": [
            {"id": 7, "file_name": "val2017/a.jpg", "width": 200, "height": 100},
            {"id": 9, "file_name": "b.jpg"},
            {"id": 11, "file_name": "elsewhere.jpg", "width": 1, "height": 1},
        ],
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}, {"id": 13, "name": "stop sign"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [10, 20, 30, 40], "area": 55.5, "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5], "iscrowd": 1},
            {"id": 3, "image_id": 11, "category_id": 1, "bbox": [0, 0, 5, 5]},
        ],
    }
    return json.dumps(data | changes)


def test_coco(tmp_path, images):
    labels = load_labels(put(tmp_path / "val.json", coco()), images)
    a = labels.of(images[0])
    assert a.xyxy.tolist() == [[10, 20, 40, 60], [0, 0, 5, 5]]
    assert a.class_ids.tolist() == [2, 0]
    assert a.crowd.tolist() == [False, True]
    assert a.area.tolist() == [55.5, 25]
    assert labels.category_ids == (1, 13, 90)
    assert labels.names == ("person", "stop sign", "toothbrush")
    assert len(labels.of("b.jpg")) == 0
    assert labels.of("c.jpg") is None
    assert labels.unlabelled == ("c.jpg",)
    assert labels.count == 2
    labels.check_classes(3)
    with pytest.raises(DataError, match="the labels have 3 classes, the model has 80"):
        labels.check_classes(80)


def test_coco_images_of_one_name_are_told_apart_by_folder(tmp_path):
    train, val = (put_image(tmp_path / split / "a.jpg") for split in ("train", "val"))
    entries = [{"id": 7, "file_name": "train/a.jpg"}, {"id": 11, "file_name": "val\\a.jpg"}]
    put(tmp_path / "all.json", coco(images=entries))
    assert len(load_labels(tmp_path / "all.json", [train]).of(train)) == 2
    assert len(load_labels(tmp_path / "all.json", [val]).of(val)) == 1
    put(tmp_path / "all.json", coco(images=[entries[0], {"id": 11, "file_name": "train/a.jpg"}]))
    refused(tmp_path / "all.json", [train], "several images of these labels are called a.jpg")


def test_the_91_ids_of_coco_become_80_classes(tmp_path, images):
    absent = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    ids = [n for n in range(1, 91) if n not in absent]
    text = coco(categories=[{"id": n, "name": f"c{n}"} for n in ids])
    labels = load_labels(put(tmp_path / "val.json", text), images)
    assert labels.of("a.jpg").class_ids.tolist() == [79, 0]
    labels.check_classes(80)


def test_coco_classes_are_found_by_the_models_names(tmp_path, images):
    put(tmp_path / "val.json", coco())
    labels = load_labels(tmp_path / "val.json", images, ("cat", "Person", "stop sign", "toothbrush"))
    assert labels.of("a.jpg").class_ids.tolist() == [3, 1]
    labels.check_classes(80)
    refused(tmp_path / "val.json", images, "'toothbrush' is labelled", names=("person", "stop sign"))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[]", "holds no COCO labels"),
        ('{"images": []}', "holds no COCO labels"),
        (b"\xff\xfe{}", "not UTF-8"),
        (coco(annotations=3), "'annotations' must be a list"),
        (coco(categories=[1]), "'categories' must be a list of objects"),
        (coco(images=[{"id": "7", "file_name": "a.jpg"}]), "'id' must be a whole number"),
        (coco(images=[{"id": 7}]), "no file_name"),
        (coco(categories=[{"id": 1, "name": "x"}, {"id": 2, "name": "x"}]), "same name"),
        (coco(annotations=[{"id": 5, "image_id": 7, "category_id": 4, "bbox": [0, 0, 1, 1]}]), "category 4"),
        (coco(annotations=[{"id": 5, "image_id": 7, "category_id": 1, "bbox": [0, 0, -1, 1]}]), "negative size"),
        (coco(annotations=[{"id": 5, "image_id": 7, "category_id": 1, "bbox": [0, 0, 1]}]), "four finite numbers"),
        (coco(annotations=[{"id": 5, "image_id": 7, "category_id": 1}]), "four finite numbers"),
        (coco().replace("[10, 20, 30, 40]", "[NaN, 0, 1, 1]"), "four finite numbers"),
        (coco().replace("[10, 20, 30, 40]", f"[{'9' * 5000}, 0, 1, 1]"), "val.json"),
        (coco().replace('"width": 200', '"width": 100'), "was labelled at 100 x 100"),
    ],
)
def test_hostile_coco(tmp_path, images, text, word):
    refused(put(tmp_path / "val.json", text), images, word)


# ---- Pascal VOC


def voc(*objects, size=(200, 100)):
    body = "".join(
        f"<object><name>{name}</name><difficult>{hard}</difficult><bndbox><xmin>{a}</xmin><ymin>{b}</ymin>"
        f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for name, hard, (a, b, c, d) in objects
    )
    return f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>{body}</annotation>"


@pytest.mark.parametrize("folder", ["Annotations", "."])
def test_voc(tmp_path, images, folder):
    put(tmp_path / folder / "a.xml", voc(("dog", 0, (1, 1, 200, 100)), ("cat", 1, (11, 21, 40, 60))))
    put(tmp_path / folder / "b.xml", voc(size=(0, 0)))
    labels = load_labels(tmp_path, images)
    a = labels.of("a.jpg")
    assert a.xyxy.tolist() == [[0, 0, 200, 100], [10, 20, 40, 60]]
    assert a.class_ids.tolist() == [1, 0]
    assert a.crowd.tolist() == [False, True]
    assert (labels.names, labels.unlabelled) == (("cat", "dog"), ("c.jpg",))
    assert len(labels.of("b.jpg")) == 0
    with pytest.raises(DataError, match="the labels have 2 classes, the model has 20"):
        labels.check_classes(20)
    put(tmp_path / folder / "other.xml", voc(("zebra", 0, (1, 1, 2, 2))))
    assert load_labels(tmp_path, images).names == ("cat", "dog", "zebra")
    named = load_labels(tmp_path, images, ("bird", "dog", "cat"))
    assert named.of("a.jpg").class_ids.tolist() == [1, 2]


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><annotation>&b;</annotation>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><annotation>&a;</annotation>'


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (BOMB, "document type"),
        (OUTSIDE, "document type"),
        ("<!DOCTYPE annotation>\n<annotation/>", "a.xml:1"),
        ("<a>" * 5000 + "</a>" * 5000, "nested too deeply"),
        ("<annotation>", "not valid XML"),
        ("<annotation>&lol;</annotation>", "not valid XML"),
        ("", "not valid XML"),
        (b"<annotation>\xff</annotation>", "not UTF-8"),
        (voc(("dog", 0, (30, 1, 20, 9))), "negative size"),
        (voc(("dog", 0, ("x", 1, 20, 9))), "xmin is no number"),
        (voc(("dog", 0, ("inf", 1, 20, 9))), "xmin is no number"),
        (voc(("", 0, (1, 1, 20, 9))), "object has no name"),
        ("<annotation><object><name>dog</name></object></annotation>", "no bndbox"),
        (voc(("dog", 0, (1, 1, 20, 9)), size=(100, 50)), "was labelled at 100 x 50"),
    ],
)
def test_hostile_voc(tmp_path, images, text, word):
    put(tmp_path / "Annotations" / "a.xml", text)
    refused(tmp_path, images, word)


def test_labels_are_found_by_path_or_name(tmp_path, images):
    labels = Labels(tmp_path, "yolo", {"a.jpg": ImageLabels.of([[0, 0, 1, 1]], [0])})
    assert labels.of(images[0]) is labels.of("a.jpg")
    assert labels.of("missing.jpg") is None
