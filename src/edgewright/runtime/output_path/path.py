"""The output path of a bundle: chosen once, used for each frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from edgewright.data.contract import Contract, Placement
from edgewright.errors import BundleError
from edgewright.graph.model import Model
from edgewright.graph.rewrites.restoration import Restorer
from edgewright.runtime.boundary import real_outputs
from edgewright.runtime.decode import Outputs, Prediction
from edgewright.runtime.laps import UNTIMED, Laps
from edgewright.runtime.output_path.base import FAST, FastDecode
from edgewright.runtime.output_path.cut import take_over
from edgewright.runtime.output_path.lazy import LazyOutputs, kept
from edgewright.runtime.output_path.restored import Reader
from edgewright.targets.artifact import Artifact
from edgewright.tasks.base import DecodeSettings, Head, HeadFamily
from edgewright.tasks.classification import Classes
from edgewright.tasks.detection.postprocess import Candidates, in_image, suppress
from edgewright.tasks.keypoints.keypoints import Keypoints
from edgewright.tasks.keypoints.postprocess import in_image as keypoints_in_image


class OutputPath:
    """From an artifact's outputs to a prediction, converting only what the prediction needs.

    The result is that of the plain way (every output to real values, restored, decoded), bit for bit.

    Args:
        artifact: what gives the outputs.
        head, family: what they mean; family None for outputs without a known meaning.
        contract: of the network's input.
        names: class names, by class id.
        restore: computes the model's outputs from the artifact's, or None.
        restorer: of `restore`; None opens it here.
        reused: whether the session writes each frame's outputs into the same buffers. Then what a result reads later is
            copied first; else the result keeps the buffers themselves.
        samples: recorded outputs of the artifact, to prove on that a decode tail may be taken over; see `cut`.

    Attributes:
        how: what is done for each frame, in words.
        fast: whether outputs stay as they are until something passes.
    """

    def __init__(
        self,
        artifact: Artifact,
        head: Head,
        family: HeadFamily | None,
        contract: Contract,
        names: Sequence[str] = (),
        restore: Model | None = None,
        restorer: Restorer | None = None,
        *,
        reused: bool = False,
        samples: Iterable[Mapping[str, NDArray[Any]]] = (),
    ) -> None:
        self._artifact, self._head, self._family = artifact, head, family
        self._contract, self._names, self._reused = contract, names, reused
        self._restorer = None if restore is None else restorer or Restorer(restore)
        ends = [port.spec for port in artifact.outputs] if restore is None else restore.outputs
        self._ends = tuple(spec.name for spec in ends)
        made = _fast(artifact, head, family, contract, restore)
        if isinstance(made, str) and family is not None and family.task == "detection" and restore is not None:
            taken = take_over(artifact, head, contract, family.running, self._candidates, samples)
            made = f"{made}; {taken}" if isinstance(taken, str) else taken
        self._fast = None if isinstance(made, str) else made
        self.fast = self._fast is not None
        self.how = f"converted whole: {made}" if isinstance(made, str) else made.how

    def __call__(
        self,
        outputs: Mapping[str, NDArray[Any]],
        placement: Placement,
        settings: DecodeSettings,
        laps: Laps = UNTIMED,
    ) -> Prediction:
        """The prediction of one image, in its pixels.

        Args:
            outputs: as the session gave them.
            placement: where the image lies in the network's input.
            settings: thresholds. The best `max_candidates` boxes by score enter suppression.
            laps: told the stages "outputs get", "decode" and, for boxes, "NMS".

        Raises:
            BundleError: an output is missing.
        """
        self._check_names(outputs)
        if self._fast is not None and self._as_declared(outputs):
            laps.lap("outputs get")
            found = self._fast(outputs, settings)
            if found is not None:
                laps.lap("decode")
                return self._finished(found, placement, settings, laps)
        if self._family is None:
            return self.real(outputs)
        return self.plain(outputs, placement, settings, laps)

    def plain(
        self,
        outputs: Mapping[str, NDArray[Any]],
        placement: Placement,
        settings: DecodeSettings,
        laps: Laps = UNTIMED,
    ) -> Prediction:
        """As a call, but every output is converted before it is decoded: the reference."""
        restored = self._restored(outputs)
        laps.lap("outputs get")
        if self._family is None:
            return restored
        found = self._family.decode(restored, self._head, self._contract, settings)
        laps.lap("decode")
        return self._finished(found, placement, settings, laps)

    def _restored(self, outputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        real = real_outputs(self._artifact, outputs)
        return real if self._restorer is None else self._restorer(real)

    def _candidates(self, outputs: Mapping[str, NDArray[Any]], settings: DecodeSettings) -> Any:
        if self._family is None:
            raise AssertionError("outputs without a known meaning have no candidates")
        return self._family.decode(self._restored(outputs), self._head, self._contract, settings)

    def real(self, outputs: Mapping[str, NDArray[Any]]) -> Outputs:
        """The model's outputs as real values, each converted when it is asked for.

        Raises:
            BundleError: an output is missing.
        """
        self._check_names(outputs)
        mine = tuple(port.spec.name for port in self._artifact.outputs)
        return LazyOutputs(self._artifact, kept(outputs, mine, reused=self._reused), self._ends, self._restorer)

    def _check_names(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        for port in self._artifact.outputs:
            if port.spec.name not in outputs:
                raise BundleError(
                    f"the runtime gave no output {port.spec.name!r}",
                    where=self._artifact.target,
                    why=f"it gave {', '.join(outputs)}",
                )

    def _as_declared(self, outputs: Mapping[str, NDArray[Any]]) -> bool:
        """Whether types and shapes are those of the artifact; the plain way says what is wrong where they are not."""
        for port in self._artifact.outputs:
            found, spec = outputs[port.spec.name], port.spec
            if found.dtype != spec.dtype or found.shape != spec.shape:
                return False
        return True

    def _finished(
        self, found: Candidates | Keypoints | Classes, placement: Placement, settings: DecodeSettings, laps: Laps
    ) -> Prediction:
        if isinstance(found, Keypoints):
            points = keypoints_in_image(found.kept() if self._reused else found, placement)
            laps.lap("decode")
            return points
        if isinstance(found, Classes):
            return Classes(found.scores.copy(), self._names)  # the runtime may write its buffers again
        boxes = in_image(suppress(found, settings, self._names), placement, settings)
        laps.lap("NMS")
        return boxes


def _fast(
    artifact: Artifact, head: Head, family: HeadFamily | None, contract: Contract, restore: Model | None
) -> FastDecode | str:
    """The fast way, or why there is none."""
    import edgewright.runtime.output_path.families  # noqa: F401 - enters them into their registry

    if family is None:
        return "the head has no known meaning"
    if family.name not in FAST:
        return f"{family.name} heads have no other way"
    if not all(port.spec.is_static for port in artifact.outputs):
        return "the shape of an output is not known"
    return FAST.get(family.name)(head, contract, Reader(artifact.outputs, restore))
