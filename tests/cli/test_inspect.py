"""What `edgewright inspect` prints."""

from __future__ import annotations

import onnx

from edgewright.cli.inspect import _lines
from tests.cli import zoo
from tests.cli.conftest import Cli


def test_class_names_of_the_file_are_told(cli: Cli) -> None:
    plain = zoo.detector().data
    classes = int(cli("inspect", cli.save("plain.onnx", plain), "--json").data["head"]["parameters"]["nc"])
    names = [f"kind{index}" for index in range(classes)]
    proto = onnx.load_from_string(plain)
    onnx.helper.set_model_props(proto, {"names": str(names)})
    told = cli("inspect", cli.save("named.onnx", proto.SerializeToString())).out.splitlines()
    assert "names".ljust(24) + " " + ", ".join(names) in told
    assert not any(line.startswith("names ") for line in cli("inspect", "plain.onnx").out.splitlines())


def test_values_are_told_in_words() -> None:
    finding = {
        "code": "EW121",
        "severity": "info",
        "message": "It was cut.",
        "evidence": {"op": "nms"},
        "remedy": "None.",
    }
    row = {"name": "float", "metric": {"name": "AP", "value": 56.18138895921714}}
    facts = {"threshold": 0.02500000037252903, "mean": [0.0, 123.675], "findings": [finding], "variants": [row]}
    assert _lines(facts) == [
        "threshold".ljust(24) + " 0.025",
        "mean".ljust(24) + " 0.0, 123.675",
        "findings",
        "  EW121  It was cut. None.",
        "variants",
        "  name float  metric (name AP, value 56.1814)",
    ]
