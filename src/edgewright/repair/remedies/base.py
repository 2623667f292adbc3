"""The contract of a remedy."""

from __future__ import annotations

from typing import Literal, Protocol

from edgewright.registry import Registry
from edgewright.repair.bench import Bench
from edgewright.repair.candidate import Candidate

Kind = Literal["rewrite", "calibration", "cut", "16bit", "float"]
KINDS: tuple[Kind, ...] = ("rewrite", "calibration", "cut", "16bit", "float")


class Remedy(Protocol):
    """One way of mending a candidate.

    Attributes:
        name: the word for it, as findings name it.
        kind: the word that allows it (`--allow`).
        requires, ensures, cost: what it needs to find, what holds afterwards, what it costs at run time; one line each.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def kind(self) -> Kind: ...  # noqa: D102

    @property
    def requires(self) -> str: ...  # noqa: D102

    @property
    def ensures(self) -> str: ...  # noqa: D102

    @property
    def cost(self) -> str: ...  # noqa: D102

    def propose(self, candidate: Candidate, bench: Bench) -> Candidate | None:
        """The candidate with this remedy; None where there is nothing to do.

        Whether it is any better is for the search to find out.
        """


REMEDIES: Registry[Remedy] = Registry("remedy")
"""Remedies that are there or not, in the order in which they are tried. Those that come in degrees are in `widen`."""
