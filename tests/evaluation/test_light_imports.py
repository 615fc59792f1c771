"""Evaluation stays light: neither torch nor OpenCV, and drawing and COCO's evaluator only when they are used."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_heavy_is_imported_to_evaluate() -> None:
    heavy = ("torch", "cv2", "av", "matplotlib", "pycocotools", "rich")
    program = f"""
import pkgutil, importlib, sys
import pwarp.evaluation
for module in pkgutil.iter_modules(pwarp.evaluation.__path__, "pwarp.evaluation."):
    importlib.import_module(module.name)
import pwarp_cli.eval
print([name for name in {heavy!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
