"""A piece as files that need nothing but onnxruntime and numpy to show the error."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.diagnose.extract import Piece
from edgewright.diagnose.extract_error import Told
from edgewright.files import write_bytes_atomic, write_text_atomic

_SNIPPET = """\
import numpy as np
import onnxruntime as ort

given, expected = np.load("inputs.npz"), np.load("expected.npz")["output"].astype(np.float64)
least = np.finfo(np.float32).tiny
for name in ("piece_float.onnx", "piece_quantised.onnx"):
    session = ort.InferenceSession(name, providers=["CPUExecutionProvider"])
    feeds = {value.name: given[f"input_{number}"] for number, value in enumerate(session.get_inputs())}
    gap = session.run(None, feeds)[0].astype(np.float64) - expected
    error = np.linalg.norm(gap) / max(np.linalg.norm(expected), least)
    print(f"{name}: relative L2 error {error:.5f}, largest difference {np.abs(gap).max():.5g}")
"""
_BY_CHANNEL = """\
    others = tuple(axis for axis in range(gap.ndim) if axis != AXIS)
    channels = np.sqrt((gap**2).sum(others) / np.maximum((expected**2).sum(others), least))
    print(f"  mean over channels {np.minimum(channels, 1).mean():.5f}")
"""
_LISTED = 40
"""Ops that are listed by name; of more, the first and the last half of these."""


def write_piece(piece: Piece, folder: Path) -> tuple[Path, ...]:
    """Write piece_float.onnx, piece_quantised.onnx, inputs.npz, expected.npz and README.md; returns their paths.

    Arrays are called input_0, input_1... in the order of the models' inputs, and output: a tensor's own name may be one
    that no file can have.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_bytes_atomic(folder / "piece_float.onnx", piece.float_model.data)
    write_bytes_atomic(folder / "piece_quantised.onnx", piece.quantised.data)
    inputs = {f"input_{number}": array for number, array in enumerate(piece.inputs.values())}
    write_bytes_atomic(folder / "inputs.npz", _npz(inputs))
    write_bytes_atomic(folder / "expected.npz", _npz({"output": piece.expected}))
    write_text_atomic(folder / "README.md", _readme(piece))
    names = ("piece_float.onnx", "piece_quantised.onnx", "inputs.npz", "expected.npz", "README.md")
    return tuple(folder / name for name in names)


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]  # NumPy types the names it takes itself as flags
    return stream.getvalue()


def _readme(piece: Piece) -> str:
    inputs = "\n".join(
        f"- `input_{number}` is `{name}`, {array.dtype} {list(array.shape)}"
        for number, (name, array) in enumerate(piece.inputs.items())
    )
    return f"""\
# The smallest piece that shows the error of `{piece.tensor}`

{_what(piece)}

In this folder, with onnxruntime and numpy installed, run:

```python
{_snippet(piece)}```

The float model should give an error near 0 (another CPU rounds differently); the quantised one {_figures(piece.told)}.
Measured with {piece.ran_on}. The error is the relative L2 norm
|found - expected| / |expected|: 0 is equal, 1 as wrong as an output of zeros.

`piece_quantised.onnx` has the ops of `piece_float.onnx` with the grids of the plan, as QuantizeLinear and
DequantizeLinear. `expected.npz` holds what the piece gives in float. Its inputs, in `inputs.npz`, were recorded from
the float network on one image (number {piece.image} of those given, from 0):

{inputs}

Ops in the piece:

{_ops(piece)}
"""


def _snippet(piece: Piece) -> str:
    if not piece.in_channels:
        return _SNIPPET
    return _SNIPPET + _BY_CHANNEL.replace("AXIS", str(piece.told.axis))


def _what(piece: Piece) -> str:
    alone, inside = _figures(piece.told), _figures(piece.network)
    hidden = ""
    if piece.in_channels:
        own, whole = piece.told.by_channel, piece.network.by_channel
        hidden = (
            f" The whole hides what channels lose: along axis {piece.told.axis} their own errors, each at most 1, have "
            f"a mean of {own:.5f} in the piece and {whole:.5f} in the network."
        )
    if piece.single:
        return (
            f"This is one op, with what is computed together with it. Fed with correct inputs it gives {alone} by "
            f"itself; in the whole quantised network its output has {inside}.{hidden}"
        )
    worst = "\n".join(f"- `{name}`: {error:.5f}" for name, error in piece.worst.items())
    return (
        f"No single op shows this error: it accumulates. In the whole quantised network the tensor has {inside}; these "
        f"{len(piece.nodes)} ops, fed with correct inputs, give {alone} together.{hidden} Ops were added backwards "
        f"from the tensor until at least half of it showed, or none was left.\n\n"
        f"Those that lose most by themselves, of which a smaller piece may be made:\n\n{worst}"
    )


def _figures(told: Told) -> str:
    return "values that are not finite" if told.whole is None else f"an error of {told.whole:.5f}"


def _ops(piece: Piece) -> str:
    kinds = {node.name: node.op_type for node in piece.float_model.ir.graph}
    lines = [f"- {kinds[name]} `{name}`" for name in piece.nodes]
    if len(lines) > _LISTED:
        half = _LISTED // 2
        lines[half:-half] = [f"- ... {len(lines) - _LISTED} more ..."]
    return "\n".join(lines)
