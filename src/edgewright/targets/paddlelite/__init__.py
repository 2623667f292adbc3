"""`paddlelite/*`: processors through Paddle Lite, one `.nb` for each; run here where the kernels are this host's."""
