"""Where a model comes from: ONNX files, and exports of frameworks that are taken to ONNX and proven there."""

from edgewright.sources import paddle as paddle
from edgewright.sources import onnx as onnx  # isort: skip - ONNX takes what nobody else does, so it is asked last
