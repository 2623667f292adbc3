"""The loops for Numba. Importing a module here imports Numba: `kernels.choice.loops` does so where it is there."""
