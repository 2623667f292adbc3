"""What a vendor's own tool computes inside a network, beside what our emulation of it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgewright.findings import Finding, Severity, listed

_ALIKE = 0.25
"""Two sizes of an error that differ by less say the same to a search for a repair."""
_PARTED = 0.1
"""Relative L2 from which on a tensor of the vendor's is another one than ours: rounding ties alone stay below."""


@dataclass(frozen=True)
class VendorTensor:
    """One tensor that the vendor's build has. All figures are relative to the L2 norm in float; None: not finite.

    Attributes:
        tensor: name in the prepared model.
        op, op_type: node that makes it.
        source_ops: nodes of the user's file that this one stands for.
        depth: place of the node in the order of execution.
        vendor: error in the vendor's build, with all that came before.
        emulated: the same in our emulation.
        apart: difference between the two.
        alone: error of the vendor's op alone, fed with float values; None also where it cannot be told.
        isolated: the same in our emulation, on the same images; None where the plan has no grid there.
    """

    tensor: str
    op: str
    op_type: str
    source_ops: tuple[str, ...]
    depth: int
    vendor: float | None
    emulated: float | None
    apart: float | None
    alone: float | None
    isolated: float | None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.source_ops[-1] if self.source_ops else self.op


@dataclass(frozen=True)
class VendorPart:
    """One part of the outputs; the figures mean what they mean of a tensor."""

    part: str
    vendor: float | None
    emulated: float | None
    apart: float | None

    def is_predicted(self, noticed: float) -> bool:
        """Whether the emulation says of this part what the vendor's tool says.

        Either nobody notices the difference, or the errors are of the same size: values need not be the same, for a
        rounding that falls the other way early in a network changes all that follows.

        Args:
            noticed: relative L2 from which on the task notices.
        """
        if self.vendor is None or self.emulated is None or self.apart is None:
            return self.vendor is None and self.emulated is None
        larger = max(self.vendor, self.emulated)
        return self.apart < noticed or abs(self.vendor - self.emulated) <= _ALIKE * larger


@dataclass(frozen=True)
class VendorLayers:
    """The comparison of a vendor's build with the float network and with our emulation, tensor by tensor.

    Attributes:
        where: what computed it, in words.
        images: images that tensors and parts were compared on.
        single_images: images that ops were run alone on.
        tensors: in order of depth.
        parts: parts of the outputs.
        fused: tensors that the vendor never makes, with the one that it makes of each.
        gone: tensors without a counterpart.
        misnamed: tensors left out because what the vendor calls so holds, in float, other values than the model's
            (another order, or another tensor), with the relative L2 between them; None where even the size is another.
        unproven: tensors whose names could not be proven.
    """

    where: str
    images: int
    single_images: int
    tensors: tuple[VendorTensor, ...]
    parts: tuple[VendorPart, ...]
    fused: Mapping[str, str]
    gone: tuple[str, ...]
    misnamed: Mapping[str, float | None]
    unproven: tuple[str, ...]

    def first_parted(self) -> VendorTensor | None:
        """The first tensor at which the emulation computes something else."""
        return next((row for row in self.tensors if row.apart is None or row.apart >= _PARTED), None)

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON data."""
        return {
            **self.__dict__,
            "tensors": [{**row.__dict__, "source_ops": list(row.source_ops)} for row in self.tensors],
            "parts": [dict(row.__dict__) for row in self.parts],
            "fused": dict(self.fused),
            "gone": list(self.gone),
            "misnamed": dict(self.misnamed),
            "unproven": list(self.unproven),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> VendorLayers:
        """Inverse of `to_json`."""
        read = {
            "tensors": tuple(
                VendorTensor(**{**row, "source_ops": tuple(row["source_ops"])}) for row in data["tensors"]
            ),
            "parts": tuple(VendorPart(**row) for row in data["parts"]),
            "gone": tuple(data["gone"]),
            "unproven": tuple(data["unproven"]),
        }
        return cls(**{**data, **read})


def vendor_findings(found: VendorLayers, noticed: Mapping[str, float]) -> list[Finding]:
    """EW703 where the emulation cannot be trusted for this model, EW704 where names could not be matched.

    Args:
        noticed: relative L2 of each part from which on the task notices.
    """
    return [*_untrusted(found, noticed), *_misnamed(found)]


def _untrusted(found: VendorLayers, noticed: Mapping[str, float]) -> list[Finding]:
    wrong = [part for part in found.parts if not part.is_predicted(noticed[part.part])]
    if not wrong:
        return []
    told = ", ".join(
        f"{part.part} {_percent(part.vendor)} off there and {_percent(part.emulated)} emulated" for part in wrong
    )
    first = found.first_parted()
    where = "" if first is None else f" The first tensor to differ is that of {first.name} ({_percent(first.apart)})."
    evidence: dict[str, Any] = {
        "where": found.where,
        "images": found.images,
        "parts": [dict(part.__dict__) for part in found.parts],
        "first": None if first is None else first.tensor,
    }
    message = f"The emulation does not predict {found.where}: {told}.{where}"
    remedy = "Go by the vendor's figures; what was only emulated (effects, causes, trials of a repair) may be wrong."
    return [Finding("EW703", Severity.WARNING, wrong[0].part, message, evidence, remedy)]


def _misnamed(found: VendorLayers) -> list[Finding]:
    if not found.misnamed and not found.unproven:
        return []
    names = [*found.misnamed, *found.unproven]
    kinds = [
        f"{len(found.misnamed)} hold other values in float" if found.misnamed else "",
        f"of {len(found.unproven)} the float values cannot be read" if found.unproven else "",
    ]
    why = " and ".join(kind for kind in kinds if kind)
    return [
        Finding(
            "EW704",
            Severity.INFO,
            found.where,
            f"{len(names)} tensors of {found.where} were left out, for their names may stand for something else "
            f"({why}): {listed(names)}.",
            {"misnamed": dict(found.misnamed), "unproven": list(found.unproven)},
        )
    ]


def _percent(value: float | None) -> str:
    return "infinitely" if value is None else f"{100 * value:.3g} %"
