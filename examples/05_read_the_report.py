"""Read what a run found: report.json in the run directory holds all that the HTML page shows.

Run `make demo` or 01_deploy.py before this one.
"""

import json
from pathlib import Path

report = json.loads(Path("runs/demo/report.json").read_text(encoding="utf-8"))
print(report["verdict"]["word"], "with", report["verdict"]["variant"])
for variant in report["variants"]:
    worst = max(variant["parts"], key=lambda part: part["relative_l2"])
    print(f"{variant['name']}: largest error in {worst['part']}, relative L2 {worst['relative_l2']:.2g}")
for finding in report["findings"]:
    if finding["severity"] == "error":
        print(finding["code"], "at", finding["where"])

# prints:
# passed with int8, ranges by effect, decoded on the host
# float: largest error in boxes, relative L2 0
# int8: largest error in scores, relative L2 1
# int8, ranges by effect, decoded on the host: largest error in scores, relative L2 0.066
# EW301 at /head/Concat_3
# EW403 at int8 artifact: scores
# EW406 at int8 artifact
# EW410 at int8
