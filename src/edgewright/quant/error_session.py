"""The sessions of a chain of graphs; what one link hands on stays inside ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.reference import open_session, run_error
from edgewright.quant.error_chain import Link


class Chain:
    """The sessions of a chain.

    Args:
        links: from `cut`.
        threads: threads inside one operator; 0 takes every core that this process may use.
        name: what messages call the model.

    Raises:
        ModelError: ONNX Runtime does not accept a graph.
    """

    def __init__(self, links: Sequence[Link], *, threads: int, name: str) -> None:
        self._name = name
        self._links = [
            (link, open_session(link.data, threads=threads, name=name, memory_pattern=False)) for link in links
        ]

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All wanted values for one image.

        Raises:
            ToolchainError: ONNX Runtime failed on these inputs.
        """
        try:
            return self._run(feeds)
        except Exception as error:
            raise run_error(self._name, error) from error

    def _run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        kept = {name: np.ascontiguousarray(array) for name, array in feeds.items()}  # a binding holds addresses only
        handed: dict[str, Any] = {}
        found: dict[str, NDArray[Any]] = {}
        for index, (link, session) in enumerate(self._links):
            binding = session.io_binding()
            for name in link.inputs:
                if name in kept:
                    binding.bind_cpu_input(name, kept[name])
                else:
                    binding.bind_ortvalue_input(name, handed[name])
            names = (*link.handed, *link.results)
            for name in names:
                binding.bind_output(name, "cpu")
            session.run_with_iobinding(binding)
            values = dict(zip(names, binding.get_outputs(), strict=True))
            found.update({name: values[name].numpy() for name in link.results})
            handed.update({name: values[name] for name in link.handed})
            later = {name for other, _ in self._links[index + 1 :] for name in other.inputs}
            handed = {name: value for name, value in handed.items() if name in later}
        return found
