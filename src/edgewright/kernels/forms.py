"""How channels lie before and after a pass over pixels."""

from __future__ import annotations

PLAIN, PLANES, PLANES_SWAPPED, INTERLEAVED, SWAPPED = range(5)
"""Forms: one channel; three to planes, in their order or reversed; three to three, in their order or reversed."""
