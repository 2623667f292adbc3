"""Outputs as real values, each converted when somebody asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.rewrites.restoration import Restorer
from edgewright.runtime.boundary import from_port, real_outputs
from edgewright.targets.artifact import Artifact


class LazyOutputs(Mapping[str, NDArray[Any]]):
    """The model's outputs by name, converted on first use and kept.

    With a restoration they are computed together, the first time that one of them is asked for.

    Args:
        artifact: what gave the outputs.
        outputs: as the runtime gave them; nobody may overwrite them while this lives.
        names: names of the model's outputs, in order.
        restorer: computes the model's outputs from the artifact's; None where they are the same.
    """

    def __init__(
        self,
        artifact: Artifact,
        outputs: Mapping[str, NDArray[Any]],
        names: tuple[str, ...],
        restorer: Restorer | None,
    ) -> None:
        self._artifact, self._outputs, self._names, self._restorer = artifact, outputs, names, restorer
        self._ports = {port.spec.name: port for port in artifact.outputs}
        self._found: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Real values of an output.

        Raises:
            KeyError: there is no such output.
        """
        if name not in self._names:
            raise KeyError(name)
        if name not in self._found:
            if self._restorer is None:
                self._found[name] = from_port(self._outputs[name], self._ports[name])
            else:
                self._found.update(self._restorer(real_outputs(self._artifact, self._outputs)))
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @property
    def converted(self) -> tuple[str, ...]:
        """Names of the outputs that were asked for so far."""
        return tuple(name for name in self._names if name in self._found)


def kept(outputs: Mapping[str, NDArray[Any]], names: tuple[str, ...], *, reused: bool) -> dict[str, NDArray[Any]]:
    """What a lazy result may read later: copies where the runtime writes the next frame into the same buffers."""
    return {name: np.array(outputs[name]) if reused else outputs[name] for name in names}
