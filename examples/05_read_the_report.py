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
