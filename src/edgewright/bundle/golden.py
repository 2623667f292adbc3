"""Golden samples: what went into the artifact and what came out, at its own boundary, when it was packed."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.bundle.archive import Limits, check_directory, write_stored
from edgewright.errors import BundleError
from edgewright.targets.artifact import PortSpec

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Golden:
    """One golden sample.

    Attributes:
        inputs, outputs: by name, exactly as the runtime took and gave them.
        tolerance: largest relative L2 of a part at which the artifact still computes the same.
        image: bytes of the image file that the inputs were made of; None when they were not made of one.
    """

    inputs: Arrays
    outputs: Arrays
    tolerance: float
    image: bytes | None = None


def arrays_to_bytes(arrays: Arrays) -> bytes:
    """Arrays as .npz bytes, the same for the same arrays; `numpy.load` reads them."""
    files: list[tuple[str, Path | bytes]] = []
    for name in sorted(arrays):
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(arrays[name]), version=(1, 0), allow_pickle=False)
        files.append((f"{name}.npy", buffer.getvalue()))
    target = io.BytesIO()
    write_stored(target, files)
    return target.getvalue()


def read_arrays(path: Path, ports: Sequence[PortSpec]) -> dict[str, NDArray[Any]]:
    """Arrays of a golden file, which must be exactly those of the ports.

    Nothing is allocated on the word of a header: an array must have as many bytes as its header says.

    Raises:
        BundleError: the file is damaged, packed, or holds other arrays, types or shapes than the artifact's boundary.
    """
    expected = {f"{port.spec.name}.npy": port for port in ports}
    try:
        check_directory(path, Limits(entries=len(expected)))
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if sorted(names) != sorted(expected):
                raise ValueError(f"it holds {', '.join(names)[:300]}; the artifact has {', '.join(expected)[:300]}")
            return {
                expected[entry.filename].spec.name: _read_array(archive, entry, expected[entry.filename])
                for entry in entries
            }
    except (ValueError, EOFError, SyntaxError, TypeError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise BundleError(
            "a golden sample of this bundle does not belong to its artifact",
            where=str(path),
            why=str(error)[:600],
            todo="fetch the bundle again, or pack it again with `edgewright deploy`",
        ) from error


def _read_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, port: PortSpec) -> NDArray[Any]:
    name = port.spec.name
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise ValueError(f"{name!r} is packed; golden arrays are stored as they are")
    with archive.open(entry) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name!r} is not in version 1.0 of the .npy format")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if fortran or dtype.hasobject or dtype != np.dtype(port.spec.dtype):
            raise ValueError(f"{name!r} has dtype {dtype}, the artifact has {port.spec.dtype}")
        wanted = port.spec.shape
        if len(shape) != len(wanted) or any(n is not None and n != m for n, m in zip(wanted, shape, strict=True)):
            raise ValueError(f"{name!r} has shape {shape}, the artifact has {wanted}")
        values = np.frombuffer(file.read(), dtype)
    return values.reshape(shape)
