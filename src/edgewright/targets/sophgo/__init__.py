"""`sophgo/...`: SOPHGO's chips through TPU-MLIR."""
