"""The README.txt of a bundle, for the person who receives it and has never heard of Edgewright."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgewright.bundle.pack import Contents
    from edgewright.verify.results import Metric


_RESTORE = """\
  restore.onnx          a float graph that runs on the host behind the chip: it computes the model's outputs from what
                        the chip gives, which is another form of them that keeps more of their precision
"""


def readme_text(contents: Contents) -> str:
    """What this folder is, how it was proven, and how to run it; lines of at most 100 characters where names allow."""
    artifact, contract, name = contents.artifact, contents.contract, contents.model["name"]
    rows = [f"{v.name}: {_figure(v.metric)}, {v.verdict}, on {v.ran_on}" for v in contents.variants]
    return f"""\
{name} for {artifact.target}

This folder is an Edgewright bundle: a vision model built for one target, with everything that is needed to run it
and to prove that it still computes what it computed when it was packed.

  model     {name} ({contents.head.task}, {contents.head.family})
  target    {artifact.target}
  variant   {contents.variant} ({artifact.precision})
  input     {contract.width}x{contract.height} {contract.colour}, {contract.resize}

Run it:

  pip install edgewright
  edgewright run BUNDLE image.jpg

or in Python:

  import edgewright
  with edgewright.load("BUNDLE") as predict:
      print(predict("image.jpg"))

BUNDLE is the path of this folder, or of the zip that it came in. Loading compares every file with manifest.json,
runs the golden samples, and refuses when a file was changed, when this is not the target, or when the results are not
those that were recorded. `sha256sum -c manifest.json.sha256` checks the manifest without Edgewright.

What it was measured to do:

{chr(10).join(f"  {row}" for row in rows) or "  nothing was measured"}

Files:

  manifest.json         what all this is, and the SHA-256 of each file
  artifact/             what the target's runtime loads
  golden/               inputs and outputs at the runtime's own boundary
  plan.json             precision of each operation, where the model is quantised
{_RESTORE if contents.restore is not None else ""}\
  recipe.toml           settings that reproduce the run
"""


def _figure(metric: Metric | None) -> str:

    return f"{metric.name} {metric.value:.4g}" if metric else "no metric"
