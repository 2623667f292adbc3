"""What a toolchain shows of a model: made, fused, gone."""

from __future__ import annotations

from edgewright.targets.layered import Layered, sort_out
from edgewright.targets.registry import get_backend
from tests.quant.error_nets import network


def test_what_is_not_made_belongs_to_the_next_that_is() -> None:
    found = sort_out(network(), "Acme", {"act", "r", "a", "j"})
    assert found.tensors == ("act", "r", "a", "j")
    assert found.fused == {"c": "act", "s": "act", "g": "r", "f": "a", "h": "a"}
    assert found.gone == ("out",)


def test_real_toolchains_show_their_tensors_and_emulations_do_not() -> None:
    shown = {name: isinstance(get_backend(name), Layered) for name in
             ("sophgo/bm1684", "sophgo/cv181x", "rockchip/rk3588", "rockchip/rv1126", "onnxruntime/cpu")}  # fmt: skip
    assert shown == {
        "sophgo/bm1684": True,
        "sophgo/cv181x": True,
        "rockchip/rk3588": True,
        "rockchip/rv1126": False,
        "onnxruntime/cpu": False,
    }
