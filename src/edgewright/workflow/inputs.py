"""What a deploy is given: files found, read once to see that they can be read, and identified by their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewright.data.images import Skipped, image_digest, list_images, readable_images
from edgewright.data.labels import load_labels
from edgewright.errors import DataError
from edgewright.files import digest_of, file_digest
from edgewright.findings import Finding, Severity
from edgewright.sources import source_kind
from edgewright.workflow.recipe import DataSection

MIN_SPLIT = 4


@dataclass(frozen=True)
class ImageFiles:
    """A set of readable images.

    Attributes:
        paths: the files, sorted by name.
        digests: SHA-256 of each file.
        skipped: files that were left out because they cannot be read.
    """

    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()

    def spread(self, most: int) -> ImageFiles:
        """At most `most` of the images, evenly spread over all of them."""
        if len(self.paths) <= most:
            return self
        chosen = [position * len(self.paths) // most for position in range(most)]
        return ImageFiles(
            tuple(self.paths[index] for index in chosen), tuple(self.digests[index] for index in chosen), self.skipped
        )

    @property
    def key(self) -> str:
        """One digest for names and contents, in order."""
        return digest_of([[path.name for path in self.paths], list(self.digests)])


@dataclass(frozen=True)
class Data:
    """Images to calibrate with, images to measure with, and what was noticed about them."""

    calibration: ImageFiles
    evaluation: ImageFiles
    findings: tuple[Finding, ...] = ()


def find_data(section: DataSection, *, quantised: bool) -> Data:
    """Find the images of a recipe. No pixel is decoded here.

    Args:
        section: the recipe's data section.
        quantised: whether calibration images are needed at all.

    Raises:
        DataError: a folder is missing or empty, or too few images to split.
    """
    images = _files(list_images(Path(section.images)))
    if section.calibration is not None:
        return Data(_files(list_images(Path(section.calibration))), images)
    if not quantised:
        return Data(ImageFiles((), ()), images)
    if len(images.paths) < MIN_SPLIT:
        raise DataError(
            f"too few images ({len(images.paths)}) to calibrate with one half and measure with the other",
            where=section.images,
            todo="pass --calibration DIR with other images, or more images",
        )
    finding = Finding(
        "EW209",
        Severity.INFO,
        section.images,
        f"No calibration images were given: every other one of the {len(images.paths)} images calibrates, the rest are "
        "measured on.",
        {"images": len(images.paths)},
        "Pass --calibration DIR.",
    )
    return Data(_every_other(images, 0), _every_other(images, 1), (finding,))


def decoded(files: ImageFiles, *, allow_skip: bool) -> ImageFiles:
    """The set without the files that cannot be decoded.

    Raises:
        DataError: a file cannot be decoded and `allow_skip` is false.
    """
    readable, skipped = readable_images(files.paths, allow_skip=allow_skip)
    if not skipped:
        return files
    keep = set(readable)
    pairs = [pair for pair in zip(files.paths, files.digests, strict=True) if pair[0] in keep]
    return ImageFiles(tuple(path for path, _ in pairs), tuple(digest for _, digest in pairs), tuple(skipped))


def model_digest(path: Path) -> str:
    """One digest for all files that a model is made of: an ONNX file and its external data, a program and its weights.

    Raises:
        ModelError: a file is missing, or is no model.
    """
    return digest_of([file_digest(file) for file in source_kind(path).files(path)])


def labels_digest(path: str | None, images: Sequence[Path]) -> str:
    """One digest for what the labels say of these images; empty without labels.

    The contents count, not the files: loaders look for labels and class names in several places.
    """
    if path is None:
        return ""
    try:
        labels = load_labels(Path(path), images)
    except DataError as error:
        return f"unusable: {error.what}"  # told in full when the labels are needed
    told = {
        name: [entry.xyxy.tolist(), entry.class_ids.tolist(), entry.crowd.tolist(), entry.area.tolist()]
        for name, entry in labels.images.items()
    }
    return digest_of([told, list(labels.names), sorted(labels.unlabelled), labels.ids_from_file, labels.format])


def _files(paths: Sequence[Path]) -> ImageFiles:
    return ImageFiles(tuple(paths), tuple(image_digest(path) for path in paths))


def _every_other(files: ImageFiles, start: int) -> ImageFiles:
    return ImageFiles(files.paths[start::2], files.digests[start::2])
