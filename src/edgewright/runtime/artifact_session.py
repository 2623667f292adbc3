"""An artifact that is fed and answers as the model that it was built of, whatever its boundary is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edgewright.data.contract import Contract
from edgewright.graph.model import Model
from edgewright.graph.rewrites.restoration import Restorer
from edgewright.runtime.boundary import feeds_for, real_outputs
from edgewright.targets.artifact import Artifact
from edgewright.targets.backend import Feeds, Outputs, SelfTimed, Session


class ArtifactSession:
    """An artifact fed with the contract's tensor, whose outputs come back as real values.

    Args:
        session, artifact: what runs, and what it is.
        contract: how its input was made.
        restore: computes the model's outputs from the artifact's, for an artifact of a rewritten model.

    Raises:
        ModelError: ONNX Runtime does not accept the restoration.
    """

    def __init__(self, session: Session, artifact: Artifact, contract: Contract, restore: Model | None = None) -> None:
        self.ran_on = session.ran_on
        self._restore = Restorer(restore)
        self._session, self._artifact, self._contract = session, artifact, contract

    def __call__(self, feeds: Feeds) -> Outputs:
        """Run one sample."""
        return self._restore(real_outputs(self._artifact, self._session(self._feeds(feeds))))

    def run_many(self, feeds: Any) -> Iterator[Outputs]:
        """Run samples in order."""
        for outputs in self._session.run_many(self._feeds(sample) for sample in feeds):
            yield self._restore(real_outputs(self._artifact, outputs))

    @property
    def keeps_time(self) -> bool:
        """See `SelfTimed`."""
        return isinstance(self._session, SelfTimed) and self._session.keeps_time

    def time_runs(self, feeds: Feeds, seconds: float, least: int, most: int) -> tuple[Sequence[float], str]:
        """See `SelfTimed`; what the host does behind the artifact is not in it."""
        if not isinstance(self._session, SelfTimed):
            raise TypeError("this session does not keep time")
        return self._session.time_runs(self._feeds(feeds), seconds, least, most)

    def _feeds(self, feeds: Feeds) -> Feeds:
        return feeds_for(self._artifact, self._contract, feeds[self._contract.input])

    def __enter__(self) -> ArtifactSession:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.__exit__(None, None, None)
