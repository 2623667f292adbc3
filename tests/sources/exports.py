"""Exports without Paddle: enough bytes for everything that is looked at before Paddle is asked."""

from __future__ import annotations

import json
from pathlib import Path

PROGRAM = b"\x0a\x02\x08\x00\x22\x02\x08\x00"
"""One block of two bytes, and a version: the outermost form of a ProgramDesc."""
PIR = json.dumps({"base_code": {"magic": "pir", "version": 4}, "program": {"regions": []}})
STEPS = """
Preprocess:
- {interp: 2, keep_ratio: false, target_size: [320, 416], type: Resize}
- {is_scale: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], type: NormalizeImage}
- {type: Permute}
"""
CONFIG = f"""mode: paddle
draw_threshold: 0.5
arch: GFL
{STEPS}
label_list: [person, 7, no]
NMS: {{keep_top_k: 100, name: MultiClassNMS, nms_threshold: 0.5}}
"""


def write_export(folder: Path, suffix: str = ".pdmodel", config: str | None = STEPS, stem: str = "model") -> Path:
    """A folder with a program, weights and a description."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}{suffix}").write_bytes(PROGRAM if suffix == ".pdmodel" else PIR.encode())
    (folder / f"{stem}.pdiparams").write_bytes(b"weights")
    if config is not None:
        (folder / "infer_cfg.yml").write_text(config, encoding="utf-8")
    return folder
