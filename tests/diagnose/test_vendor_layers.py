"""Whether an emulation can be trusted."""

from __future__ import annotations

import pytest

from edgewright.diagnose.vendor_layers import VendorLayers, VendorPart, VendorTensor, vendor_findings


def layers(*parts: VendorPart, apart: float | None = 0.0) -> VendorLayers:
    row = VendorTensor("t", "n", "Add", ("/a/Add", "/a/Relu"), 3, 0.2, 0.1, apart, 0.2, 0.1)
    return VendorLayers("Acme 1", 8, 2, (row,), parts, {}, (), {}, ())


@pytest.mark.parametrize(
    ("vendor", "emulated", "apart", "predicted"),
    [
        (0.040, 0.001, 0.039, True),  # nobody notices
        (0.20, 0.21, 0.15, True),  # other values, of the same damage
        (0.99, 1.0, 1.6, True),  # both are ruined
        (0.60, 0.20, 0.55, False),
        (0.05, 0.30, 0.29, False),  # the vendor is better than we say
        (None, None, None, True),
        (None, 0.2, None, False),
        (0.2, 0.2, None, False),
    ],
)
def test_the_size_of_the_error_decides(
    vendor: float | None, emulated: float | None, apart: float | None, predicted: bool
) -> None:
    part = VendorPart("boxes", vendor, emulated, apart)
    assert part.is_predicted(0.05) is predicted
    codes = [finding.code for finding in vendor_findings(layers(part), {"boxes": 0.05})]
    assert codes == ([] if predicted else ["EW703"])


def test_the_finding_names_part_figures_and_the_first_tensor_that_differs() -> None:
    parts = VendorPart("boxes", 0.6, 0.2, 0.55), VendorPart("scores", 0.1, 0.1, 0.01)
    (finding,) = vendor_findings(layers(*parts, apart=0.4), {"boxes": 0.005, "scores": 0.05})
    assert finding.where == "boxes"
    assert "Acme 1: boxes 60 % off there and 20 % emulated." in finding.message
    assert "that of /a/Relu (40 %)" in finding.message
    assert "scores" not in finding.message
    assert finding.evidence["first"] == "t"
