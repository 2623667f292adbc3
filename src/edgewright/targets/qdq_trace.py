"""Inner tensors of an artifact that is a QDQ model in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import onnx_ir as ir

from edgewright.errors import UserError
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, Outputs, ReferenceSession


class QdqTracer:
    """A QDQ model whose inner tensors can be read; a gridded tensor is seen behind its grid.

    Args:
        model: what `quant.qdq.write_qdq` made; a float model works as well.
        tensors: names in the model before it was quantised.
        optimise: see `ReferenceSession`.

    Raises:
        UserError: there is no such tensor.
    """

    def __init__(self, model: Model, tensors: Sequence[str], *, optimise: bool = True) -> None:
        changed = model.clone()
        values = {value.name: value for node in changed.graph for value in node.outputs}
        known = {value.name for value in changed.graph.outputs}
        self._shown: dict[str, str] = {}
        for name in tensors:
            seen = name if name in known else next((n for n in (f"{name}_dequantised", name) if n in values), None)
            if seen is None:
                raise UserError(f"the artifact has no tensor {name!r}", where=str(model.path or model.name))
            self._shown[name] = seen
            if seen not in known:
                values[seen].dtype = ir.DataType.FLOAT
                changed.graph.outputs.append(values[seen])
                known.add(seen)
        self._session = ReferenceSession(Model(changed).data, name=model.name, optimise=optimise)

    def __call__(self, feeds: Feeds, tensors: Iterable[str]) -> Outputs:
        """Real values of some of the tensors."""
        wanted = {name: self._shown[name] for name in tensors}
        found = self._session(feeds, list(dict.fromkeys(wanted.values())))
        return {name: found[seen] for name, seen in wanted.items()}


def trace_qdq(path: Path, tensors: Sequence[str], feeds: Iterable[Feeds]) -> Iterator[Outputs]:
    """Real values of inner tensors of a file; see `QdqTracer`."""
    tracer = QdqTracer(load_model(path), tensors)
    for sample in feeds:
        yield tracer(sample, tensors)
