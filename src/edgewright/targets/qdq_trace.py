"""Inner tensors of an artifact that is a QDQ model in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import onnx_ir as ir

from edgewright.errors import UserError
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, Outputs, ReferenceSession


def trace_qdq(path: Path, tensors: Sequence[str], feeds: Iterable[Feeds]) -> Iterator[Outputs]:
    """Real values of inner tensors; a gridded tensor is seen behind its grid.

    Args:
        path: what `quant.qdq.write_qdq` made.
        tensors: names in the model before it was quantised.

    Raises:
        UserError: there is no such tensor.
    """
    changed = load_model(path).clone()
    values = {value.name: value for node in changed.graph for value in node.outputs}
    shown: dict[str, str] = {}
    known = {value.name for value in changed.graph.outputs}
    for name in tensors:
        seen = name if name in known else next((n for n in (f"{name}_dequantised", name) if n in values), None)
        if seen is None:
            raise UserError(f"the artifact has no tensor {name!r}", where=str(path))
        shown[name] = seen
        if seen not in known:
            values[seen].dtype = ir.DataType.FLOAT
            changed.graph.outputs.append(values[seen])
            known.add(seen)
    session = ReferenceSession(Model(changed).data, name=path.name)
    for sample in feeds:
        found = session(sample, list(dict.fromkeys(shown.values())))
        yield {name: found[seen] for name, seen in shown.items()}
