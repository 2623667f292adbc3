"""Class names that exporters write into a model's metadata."""

from __future__ import annotations

import ast

from edgewright.graph.model import Model

_LONGEST = 100_000


def class_names(model: Model, classes: int) -> tuple[str, ...]:
    """Class names by class id, from the metadata entry `names`; empty when there is none that fits.

    Args:
        model: the source model; simplifiers drop metadata.
        classes: number of classes of the head; a list of another length is not trusted.

    The form is that of the Ultralytics exporters: the text of a dict of class id to name, or of a list.
    """
    text = model.ir.metadata_props.get("names", "")
    if not text or len(text) > _LONGEST:
        return ()
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    if isinstance(found, dict) and sorted(map(str, found)) == sorted(map(str, range(classes))):
        by_id = {int(key): value for key, value in found.items()}
        return tuple(str(by_id[index]) for index in range(classes))
    if isinstance(found, list) and len(found) == classes:
        return tuple(map(str, found))
    return ()
