"""Whether an `.nb` file belongs on a chip: the story of files that ran where they did not belong.

Asked for `arm,x86`, opt takes the first processor that has a kernel for an op, op by op. Paddle Lite for x86 has ARM
kernels registered that do nothing. So such a file loads and runs, and ends with status 0 and garbage, or with a
segmentation fault, depending on what lies in memory. Only the file itself tells.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from edgewright.errors import TargetMismatch
from edgewright.findings import listed
from edgewright.targets.paddlelite.nb import NbFile, processor_name
from edgewright.toolchains.versions import in_range

STORY = (
    "asked for more than one, Paddle Lite's opt mixes kernels of both processors in one file; kernels of the other"
    " processor do nothing here, so the file runs and answers with what lay in memory, or crashes"
)


def require_place(nb: NbFile, target: str, processors: Collection[int], path: Path) -> None:
    """Refuse a file that has kernels for another processor.

    Args:
        target: `vendor/chip` that it is opened for.
        processors: numbers of those that the chip may run; see `nb.processor_name`.

    Raises:
        TargetMismatch: it has; the ops are named.
    """
    strange = nb.elsewhere(processors)
    if not strange:
        return
    kinds = sorted({processor_name(op.processor) for op in strange})
    raise TargetMismatch(
        f"{len(strange)} of {len(nb.ops)} ops of this file lie on kernels for {' and '.join(kinds)}:"
        f" it does not belong on {target}",
        where=str(path),
        why=f"{listed([f'{op.op} ({op.kernel}) of {op.first}' for op in strange])}; {STORY}",
        todo=f"build it for one processor: `edgewright deploy MODEL --target {target}`",
    )


def require_version(nb: NbFile, runtime: str, path: Path) -> None:
    """Refuse a file that a newer opt wrote than the runtime is.

    The runtime only warns, and then aborts at the first kernel that it does not have; older files it runs.

    Raises:
        TargetMismatch: so it is, or the file names no version.
    """
    if re.match(r"\d+(\.\d+)*", nb.version) is None:
        raise TargetMismatch(
            "this file does not say which version of Paddle Lite wrote it",
            where=str(path),
            why=f"where the version should stand is {nb.version!r}",
            todo="build it again with a released version of Paddle Lite",
        )
    if in_range(nb.version, f">{runtime}"):
        raise TargetMismatch(
            f"this file was written by opt {nb.version}, which is newer than the runtime {runtime}",
            where=str(path),
            why="the runtime only warns of it, and aborts at the first kernel that it does not know",
            todo=f"open it with paddlelite=={nb.version}, or build it with paddlelite=={runtime}",
        )
