# Runs on Paddle Lite's Python 3.7 or 3.9.
"""Paddle's program to an `.nb` file, and which of its ops Paddle Lite has.

The command `paddle_lite_opt` of the wheel is a script around `paddlelite.lite.Opt`, and its first lines do not survive
being installed by uv; the class is used directly. It prints, aborts and calls `exit` as it likes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ASKING = Path(__file__).with_name("asking.py")
ANSWERS = "Paddle-Lite supports this model!", "These unsupported ops are:"


def optimise(arguments: dict[str, Any]) -> dict[str, Any]:
    """{"program", "weights", "target", "output", "quantise"} to {"file", "bytes"}.

    `target` is one processor; `quantise` is "QUANT_INT8", "QUANT_INT16" or None, and `output` has no suffix.
    """
    from paddlelite.lite import Opt  # type: ignore[import-not-found, unused-ignore]

    file = Path(arguments["output"] + ".nb")
    if file.exists():
        file.unlink()  # an earlier build here must not be taken for this one
    opt = Opt()
    opt.set_model_file(arguments["program"])
    opt.set_param_file(arguments["weights"])
    opt.set_valid_places(arguments["target"])
    opt.set_model_type("naive_buffer")
    opt.set_optimize_out(arguments["output"])
    if arguments.get("quantise"):
        opt.set_quant_model(True)
        opt.set_quant_type(arguments["quantise"])
    opt.run()
    if not file.is_file() or file.stat().st_size == 0:
        raise RuntimeError(f"opt returned, but {file.name} was not written")
    return {"file": file.name, "bytes": file.stat().st_size}


def ask_ops(arguments: dict[str, Any]) -> dict[str, Any]:
    """{"program", "weights", "target"} to {"text"}: what the tool says of a program's ops.

    A process of its own: the tool ends it with status 1 where all is well, and aborts it where an op is missing. Where
    it says neither, it died of something else, and so do we.
    """
    command = [sys.executable, str(ASKING), arguments["program"], arguments["weights"], arguments["target"]]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode("utf-8", "replace")
    sys.stdout.write(text + "\n")  # for the log
    sys.stdout.flush()
    if any(answer in text for answer in ANSWERS):
        return {"text": text}
    if done.returncode < 0:
        signal.signal(-done.returncode, signal.SIG_DFL)
        os.kill(os.getpid(), -done.returncode)
    raise RuntimeError(f"asked for the ops of a program, the tool ended with status {done.returncode} and said nothing")
