# Runs on Paddle Lite's Python 3.7 or 3.9.
"""Prints which ops of a program Paddle Lite has: `asking.py PROGRAM WEIGHTS PROCESSOR`. Its status means nothing."""

from __future__ import annotations

import ctypes
import sys

from paddlelite.lite import Opt  # type: ignore[import-not-found, unused-ignore]

_LINE_BUFFERED = 1

if __name__ == "__main__":
    # what C code has not yet written is lost when it aborts
    library = ctypes.CDLL(None)
    library.setvbuf(ctypes.c_void_p.in_dll(library, "stdout"), None, _LINE_BUFFERED, 0)
    opt = Opt()
    opt.set_model_file(sys.argv[1])
    opt.set_param_file(sys.argv[2])
    opt.set_valid_places(sys.argv[3])
    opt.check_if_model_supported(True)
