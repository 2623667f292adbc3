"""The model as a graph, on onnx-ir."""
