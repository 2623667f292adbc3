"""What runs inside TPU-MLIR's environment: standard library, NumPy and the vendor's modules only."""
