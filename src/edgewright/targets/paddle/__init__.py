"""`paddle/*`: Paddle Inference, the framework's own runtime, as the users of a Paddle model run it."""
