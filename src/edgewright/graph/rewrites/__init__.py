"""Exact rewrites, one a file, in the order in which they are best tried."""

from edgewright.graph.rewrites import (  # noqa: I001 - the order of import is the order of the registry
    plain_forms,
    rescale_boxes,
    split_outputs,
    equalise,
    split_channels,
    cut_tail,
    split_joins,
)
from edgewright.graph.rewrites.apply import apply_rewrite, compose
from edgewright.graph.rewrites.base import REWRITES, InexactRewrite, Rewrite, RewriteContext, Rewritten
from edgewright.graph.rewrites.equalise import refusals
from edgewright.graph.rewrites.restoration import Restorer

__all__ = [
    "REWRITES",
    "InexactRewrite",
    "Restorer",
    "Rewrite",
    "RewriteContext",
    "Rewritten",
    "apply_rewrite",
    "compose",
    "cut_tail",
    "equalise",
    "plain_forms",
    "refusals",
    "rescale_boxes",
    "split_channels",
    "split_joins",
    "split_outputs",
]
