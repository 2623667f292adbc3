"""An ONNX Runtime session that writes its outputs into the same memory each time.

`session.run` hands out fresh arrays; for hundreds of megabytes an image, touching fresh pages costs more than the
network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.reference import open_session, run_error

_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class BoundSession:
    """A graph whose outputs are float32 or float16, run again and again.

    Args:
        data: serialised ONNX model.
        threads: threads inside one operator; 0 takes every core that this process may use.
        name: what messages call the model.

    Raises:
        ModelError: ONNX Runtime does not accept the graph.
    """

    def __init__(self, data: bytes, *, threads: int, name: str) -> None:
        self._name = name
        # A memory pattern lays all tensors of a run side by side in one block, on top of what the first run took: with
        # every tensor alive until it is observed, that doubles the memory and saves nothing.
        self._session = open_session(data, threads=threads, name=name, memory_pattern=False)
        self._outputs = self._session.get_outputs()
        self._buffers: dict[str, NDArray[Any]] = {}

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs for one image; arrays are overwritten by the next call.

        Raises:
            ToolchainError: ONNX Runtime failed on these inputs.
        """
        try:
            return self._run(feeds)
        except Exception as error:
            raise run_error(self._name, error) from error

    def _run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        binding = self._session.io_binding()
        kept = [np.ascontiguousarray(array) for array in feeds.values()]  # the binding holds addresses, not arrays
        for name, array in zip(feeds, kept, strict=True):
            binding.bind_cpu_input(name, array)
        for output in self._outputs:
            buffer = self._buffers.get(output.name)
            if buffer is None:
                binding.bind_output(output.name, "cpu")
            else:
                binding.bind_output(output.name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)
        self._session.run_with_iobinding(binding)
        found = binding.get_outputs()
        results = {}
        for output, value in zip(self._outputs, found, strict=True):
            buffer = self._buffers.get(output.name)
            if buffer is None:
                buffer = value.numpy()
                self._remember(output, buffer)
            results[output.name] = buffer
        return results

    def _remember(self, output: Any, array: NDArray[Any]) -> None:
        """Bind memory like `array` from now on, if the shape is static: another may differ next time."""
        if tuple(output.shape) == array.shape and array.size and array.dtype == _DTYPES.get(output.type):
            self._buffers[output.name] = np.empty_like(array)
