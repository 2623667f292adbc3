"""Deploy a model: build it, measure it against the source model, and get a bundle if it passes.

Run it from the root of the checkout: `python examples/01_deploy.py`. The first run takes some seconds, the second one
takes everything from the run directory.
"""

import edgewright as ew

run = ew.deploy(
    "demo/detector.onnx",
    images="demo/images/evaluation",
    labels="demo/labels.json",
    calibration="demo/images/calibration",
    out="runs/demo",
)
for variant in run.table:
    print(f"{variant.name}: {variant.metric.name} {variant.metric.value:.1f}, {variant.verdict}")
print(run.verdict, run.bundle)

# prints:
# float: AP 69.8, reference
# int8: AP 0.0, failed
# int8, ranges by effect, decoded on the host: AP 70.0, passed
# passed runs/demo/bundle
