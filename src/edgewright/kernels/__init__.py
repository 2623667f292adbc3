"""Loops over arrays that no library offers at the memory's speed; they know numbers, not models.

A module here is what others call. It takes the loops of the same name in `compiled` where Numba is installed (the
extra `fast`), and does the same with NumPy or OpenCV where it is not. Both give the same bits; tests compare them.
"""
