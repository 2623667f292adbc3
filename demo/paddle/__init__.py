"""PaddleDetection's networks, trained or with seeded weights: what the Paddle tests and figures rest on."""
