"""What runs inside a Paddle environment, one file an operation: standard library, NumPy and Paddle only."""
