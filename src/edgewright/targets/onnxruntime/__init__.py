"""`onnxruntime/cpu`, the embedded default."""
