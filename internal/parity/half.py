#!/usr/bin/env python3
"""Write a copy of an ONNX file in half precision: half.py MODEL.onnx OUT.onnx float16|bfloat16.

Weights, constants, casts to float32 and the types of inputs and outputs become half; integers stay.
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper


def halve(t, kind):
    if t.data_type != TensorProto.FLOAT:
        return
    x = np.atleast_1d(numpy_helper.to_array(t))
    if kind == TensorProto.FLOAT16:
        # As converters do: a mask's lowest number stays finite, for it is multiplied by 0 where nothing is masked.
        bits = x.clip(-65504, 65504).astype(np.float16).view(np.uint16)
    else:  # round to nearest even; no weight is a NaN
        wide = x.astype(np.float32).view(np.uint32)
        bits = ((wide + 0x7FFF + ((wide >> 16) & 1)) >> 16).astype(np.uint16)
    t.ClearField("float_data")
    t.data_type = kind
    t.raw_data = bits.tobytes()


def graph(g, kind):
    for t in g.initializer:
        halve(t, kind)
    for v in list(g.input) + list(g.output) + list(g.value_info):
        if v.type.tensor_type.elem_type == TensorProto.FLOAT:
            v.type.tensor_type.elem_type = kind
    for n in g.node:
        for a in n.attribute:
            if a.type == onnx.AttributeProto.TENSOR:
                halve(a.t, kind)
            if a.type == onnx.AttributeProto.GRAPH:
                graph(a.g, kind)
            if n.op_type == "Cast" and a.name == "to" and a.i == TensorProto.FLOAT:
                a.i = kind


model = onnx.load(sys.argv[1])
graph(model.graph, {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}[sys.argv[3]])
onnx.save(model, sys.argv[2])
