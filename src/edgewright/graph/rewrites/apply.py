"""Applying a rewrite: no result leaves here that was not compared with the model before it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import EdgewrightError, ModelError
from edgewright.graph.model import Model
from edgewright.graph.prepare import largest_difference
from edgewright.graph.reference import Feeds, ReferenceSession
from edgewright.graph.rewrites.base import REWRITES, InexactRewrite, Rewrite, RewriteContext, Rewritten
from edgewright.graph.rewrites.editor import Editor
from edgewright.graph.rewrites.kept_names import computed_otherwise, renamed_untouched
from edgewright.graph.rewrites.restoration import Restorer, chain

TOLERANCE = 1e-5
"""Largest relative L2 difference of an output that rounding of 32-bit floats explains in any network."""
_FLOOR = 4.0
"""How many times the difference that the network's own rounding makes is still rounding: outputs that are small
everywhere but at a few places, as scores are, come out of exponentials that enlarge it."""
_LARGEST_FLOOR = 1e-3
"""Rounding that would make more than this is no excuse: then nothing can be told."""
_RELATIVE, _ABSOLUTE = 1e-3, 1e-4  # of one value; the second is a share of the largest value of the output


def apply_rewrite(
    rewrite: Rewrite | str, model: Model, context: RewriteContext, feeds: Sequence[Feeds]
) -> Rewritten | None:
    """Apply a rewrite and prove that it is exact: old outputs against restored new ones on the samples.

    Args:
        rewrite: the rewrite, or its name in `REWRITES`.
        model: a prepared model.
        context: what the rewrite may know.
        feeds: samples to compare on, at least one; real images are better than noise.

    Returns:
        None when there is nothing to do.

    Raises:
        UserError: there is no rewrite of this name.
        InexactRewrite: the rewrite changed an output or a tensor that kept its name; a defect of the rewrite.
        ToolchainError: ONNX Runtime failed on the samples.
    """
    chosen = REWRITES.get(rewrite) if isinstance(rewrite, str) else rewrite
    found = chosen.apply(model, context)
    if found is None:
        return None
    if not feeds:
        raise ValueError("a rewrite is verified on at least one sample")
    _check_names(chosen.name, model, found.model)
    try:
        _check_values(chosen.name, model, found, feeds)
    except EdgewrightError as error:
        if isinstance(error, ModelError):
            raise
        raise _broken(chosen.name, f"the rewritten model does not run: {error.what}: {error.why}") from error
    return found


def compose(first: Rewritten, second: Rewritten) -> Rewritten:
    """Two rewrites as one; the second was applied to the model of the first.

    Raises:
        ModelError: their restorations do not fit.
    """
    steps = [*first.facts.get("steps", [first.facts]), *second.facts.get("steps", [second.facts])]
    facts = {
        "rewrite": " + ".join(str(step["rewrite"]) for step in steps),
        "text": " ".join(str(step["text"]) for step in steps),
        "tensors": {**first.facts.get("tensors", {}), **second.facts.get("tensors", {})},
        "steps": [dict(step) for step in steps],
    }
    return Rewritten(second.model, chain(second.restore, first.restore), facts)


def _check_names(name: str, before: Model, after: Model) -> None:
    renamed = renamed_untouched(before, after)
    if renamed:
        raise _broken(name, f"the tensor {renamed[0][0]!r} did not change, but is called {renamed[0][1]!r} now")
    signature = [(spec.name, spec.dtype, spec.shape) for spec in before.inputs]
    if signature != [(spec.name, spec.dtype, spec.shape) for spec in after.inputs]:
        raise _broken(name, "it changed the inputs of the model")


def _check_values(name: str, before: Model, found: Rewritten, feeds: Sequence[Feeds]) -> None:
    inner = computed_otherwise(before, found.model)
    old, new = _showing(before, inner), _showing(found.model, inner)
    rounding = _Rounding(before, inner)
    wanted = [spec.name for spec in before.outputs]
    restorer = Restorer(found.restore)
    ends = [spec.name for spec in found.model.outputs]
    for number, sample in enumerate(feeds):
        shown = inner if number == 0 else []  # inner tensors are many; one sample tells
        expected = old(sample, list(dict.fromkeys([*wanted, *shown])))
        raw = new(sample, list(dict.fromkeys([*ends, *shown])))
        restored = restorer({end: raw[end] for end in ends})
        if list(restored) != wanted:
            raise _broken(name, f"the restoration gives {', '.join(restored)}, wanted are {', '.join(wanted)}")
        for values, tensors in ((restored, wanted), (raw, shown)):
            for tensor in tensors:
                own = functools.partial(rounding, sample, tensor)
                _compare(name, tensor, expected[tensor], values, own)


def _showing(model: Model, tensors: Sequence[str], *, optimise: bool = True) -> ReferenceSession:
    if not tensors:
        return ReferenceSession(model.data, name=model.name, optimise=optimise)
    editor = Editor(model)
    known = {value.name for value in editor.graph.outputs}
    editor.graph.outputs.extend(editor.values[tensor] for tensor in tensors if tensor not in known)
    return ReferenceSession(editor.model().data, name=model.name, optimise=optimise)


class _Rounding:
    """How far rounding alone moves a tensor: the same network as it is written, and as ONNX Runtime optimises it."""

    def __init__(self, model: Model, inner: Sequence[str]) -> None:
        self._model, self._inner = model, inner
        self._plain: ReferenceSession | None = None

    def __call__(self, sample: Feeds, tensor: str) -> NDArray[Any]:
        """The tensor as the graph is written; most rewrites never ask."""
        if self._plain is None:
            self._plain = _showing(self._model, self._inner, optimise=False)
        return self._plain(sample, [tensor])[tensor]


def _compare(
    name: str,
    tensor: str,
    reference: NDArray[Any],
    found: Mapping[str, NDArray[Any]],
    otherwise: Callable[[], NDArray[Any]],
) -> None:
    """Refuse what neither rounding in general nor this network's own explains.

    Args:
        otherwise: the reference with its own rounding in another order.
    """
    difference = largest_difference([{tensor: reference}], [found])
    limit, single = TOLERANCE, _ABSOLUTE * _largest(reference)
    if difference <= limit and _close(reference, found[tensor], single):
        return
    if difference <= _LARGEST_FLOOR and reference.dtype.kind == "f":
        rounded = otherwise()
        own = largest_difference([{tensor: reference}], [{tensor: rounded}])
        limit = max(limit, min(_FLOOR * own, _LARGEST_FLOOR))
        single = max(single, _FLOOR * min(_largest(reference - rounded), _LARGEST_FLOOR * _largest(reference)))
        if difference <= limit and _close(reference, found[tensor], single):
            return
    if difference > limit:
        raise _broken(name, f"{tensor!r} differs by {difference:.2g} relative L2, limit {limit:.2g}")
    raise _broken(name, f"single values of {tensor!r} differ by more than {single:.2g}")


def _largest(values: NDArray[Any]) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0


def _close(reference: NDArray[Any], values: NDArray[Any], single: float) -> bool:
    if reference.dtype.kind != "f":
        return bool(np.array_equal(reference, values))
    return bool(np.allclose(values, reference, rtol=_RELATIVE, atol=single, equal_nan=True))


def _broken(name: str, why: str) -> InexactRewrite:
    return InexactRewrite(
        f"the rewrite {name!r} is not exact on this model",
        why=why,
        todo="leave this rewrite out, and report the model to the maintainers of Edgewright",
    )
