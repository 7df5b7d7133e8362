#!/usr/bin/env python3
"""Check ONNX files with the onnx package's checker and shape inference: check.py FILE... exits 1 when one fails."""

import sys

import onnx
from onnx import checker, shape_inference

failed = 0
for path in sys.argv[1:]:
    try:
        # By path, so that files above 2 GB and external data are checked too.
        checker.check_model(path)
        shape_inference.infer_shapes(onnx.load(path), check_type=True, strict_mode=True)
        print(path, "ok")
    except Exception as e:
        print(path, type(e).__name__, e)
        failed = 1
sys.exit(failed)
