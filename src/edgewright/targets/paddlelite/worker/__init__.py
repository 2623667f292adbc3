"""What runs inside Paddle Lite's environment: standard library, NumPy and `paddlelite` only."""
