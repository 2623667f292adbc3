"""The reference executor: an ONNX graph in ONNX Runtime on this CPU.

ONNX Runtime is the one compiler that runs inside our process (DESIGN.md, rule 2); preparation, calibration and the
float reference of every target go through here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from edgewright.errors import ModelError, ToolchainError
from edgewright.tensors import TensorSpec

Feeds = Mapping[str, NDArray[Any]]
Outputs = dict[str, NDArray[Any]]


class ReferenceSession:
    """A loaded ONNX graph.

    Args:
        data: serialised ONNX model.
        threads: threads inside one operator; 0 takes every core that this process may use.
        optimise: ONNX Runtime's graph optimisation; off shows the graph as it is written.
        name: what messages call the model.

    Raises:
        ModelError: ONNX Runtime does not accept the graph.
    """

    def __init__(self, data: bytes, *, threads: int = 0, optimise: bool = True, name: str = "model") -> None:
        self.name = name
        self.ran_on = f"onnxruntime {_version()} cpu"
        self._session: Any = open_session(data, threads=threads, optimise=optimise, name=name)
        self.input_names = [value.name for value in self._session.get_inputs()]
        self.output_names = [value.name for value in self._session.get_outputs()]

    def __call__(self, feeds: Feeds, names: Sequence[str] | None = None) -> Outputs:
        """Run once; `names` limits the outputs that are computed and returned.

        Raises:
            ToolchainError: ONNX Runtime failed on these inputs.
        """
        if self._session is None:
            raise ValueError("this session is closed")
        wanted = list(names) if names is not None else self.output_names
        try:
            values = self._session.run(wanted, dict(feeds))
        except Exception as error:
            raise run_error(self.name, error) from error
        return dict(zip(wanted, values, strict=True))

    def run_many(self, feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Run samples in order."""
        for sample in feeds:
            yield self(sample)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session = None


def _version() -> str:
    import onnxruntime as ort

    return str(ort.__version__)


def random_feeds(specs: Sequence[TensorSpec], seed: int = 0) -> Outputs:
    """Uniform [0, 1) inputs for a model whose preprocessing is not known yet."""
    generator = np.random.default_rng(seed)
    return {spec.name: generator.random([n or 1 for n in spec.shape], np.float32).astype(spec.dtype) for spec in specs}


def available_cores() -> int:
    """Cores that this process may use; containers often grant fewer than the machine has."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # macOS and Windows have no affinity call
        return os.cpu_count() or 1


def open_session(data: bytes, *, threads: int, name: str, optimise: bool = True, memory_pattern: bool = True) -> Any:
    """An `onnxruntime.InferenceSession` on the CPU, configured as everything here wants it.

    Args:
        memory_pattern: let ONNX Runtime lay the tensors of a run side by side in one block.

    Raises:
        ModelError: ONNX Runtime does not accept the graph.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or available_cores()
    options.log_severity_level = 4
    options.enable_mem_pattern = memory_pattern
    # idle threads that spin burn the second core while we preprocess the next image
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(
            f"ONNX Runtime {ort.__version__} cannot load {name}",
            why=_first_line(error),
            todo="export with a lower opset, or update onnxruntime",
        ) from error


def run_error(name: str, error: Exception) -> ToolchainError:
    """What to tell when a loaded graph fails on its inputs."""
    return ToolchainError(
        f"ONNX Runtime failed while running {name}",
        why=_first_line(error),
        todo="`edgewright inspect` shows what the model wants as input",
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:400] if text else type(error).__name__
