#!/usr/bin/env python3
"""Write the models of the zoo: DIR/NAME/VARIANT.onnx, an input of each and what must be found in it (DIR/manifest.json).

    make.py DIR [NAME...]

Needs PyTorch, torchvision and onnx. Each architecture is exported several times: at old and new operator sets, with constants
folded (as most files have it: products have nameless weights) or not, with open axes or for a batch of one.
"""

import json
import os
import sys
import warnings

import numpy as np
import onnx
import torch

import byhand
import pictures
import sounds
import texts

VARIANTS = {  # name: operator set, constants folded, axes open
    "opset11": (11, True, True),
    "opset14-unfolded": (14, False, True),
    "opset14-fixed": (14, True, False),
    "opset17": (17, True, True),
    "opset17-unfolded": (17, False, True),
}
HANDS_ON = {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "Dropout", "Transpose"}


def origin(graph, value):
    """The value that one is only a copy or another shape of."""
    by = {o: n for n in graph.node for o in n.output}
    while value in by and by[value].op_type in HANDS_ON:
        value = by[value].input[0]
    return value


def wanted(graph, m):
    """The values that a head may read: one of those that the model's description names."""
    if m.gives:
        return [origin(graph, v) for v in m.gives.split(" or ")]
    weights = {t.name for t in graph.initializer} | {o for n in graph.node for o in n.output if n.op_type == "Constant"}
    for n in graph.node:
        if n.name.startswith(m.reads) and n.op_type in ("Gemm", "MatMul", "Conv"):
            return [origin(graph, next(v for v in n.input if v not in weights))]
    raise SystemExit(f"{m.name}: no layer below {m.reads}")


def save(folder, name, arrays):
    """Write arrays as raw numbers and describe them."""
    out = []
    for i, (key, x) in enumerate(arrays.items()):
        x = np.ascontiguousarray(x)
        file = f"{name}.{i}.bin"
        x.tofile(os.path.join(folder, file))
        out.append({"name": key, "file": file, "type": str(x.dtype), "shape": list(x.shape)})
    return out


def record(folder, variant, m, proto, inputs):
    onnx.save(proto, os.path.join(folder, variant + ".onnx"))
    return {
        "file": f"{m.name}/{variant}.onnx", "model": m.name, "variant": variant, "kind": m.kind, "size": m.size, "wanted": wanted(proto.graph, m),
        "parts": m.parts, "blocks": m.blocks, "refused": m.refused.get(variant, ""), "layout": m.layout,
        "origins": {o: origin(proto.graph, o) for n in proto.graph.node for o in n.output},
        "inputs": save(folder, variant, inputs),
    }


def export(m, folder, opset, folded, opened):
    path = os.path.join(folder, "export.onnx")
    inputs, axes = m.inputs, None
    if not opened:
        inputs = {k: x[:1] for k, x in inputs.items()}
    else:
        axes = {k: {0: "batch", **m.axes.get(k, {})} for k in m.inputs}
        axes.update({o: {0: "batch"} for o in m.outputs})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(m.module, tuple(inputs.values()), path, opset_version=opset, do_constant_folding=folded,
                          input_names=list(m.inputs), output_names=m.outputs, dynamic_axes=axes)
    proto = onnx.load(path)
    os.remove(path)
    return proto, {k: x.numpy() for k, x in inputs.items()}


def main(root, names):
    torch.set_num_threads(2)
    found = []
    for m in texts.models() + pictures.models() + sounds.models():
        if names and m.name not in names:
            continue
        folder = os.path.join(root, m.name)
        os.makedirs(folder, exist_ok=True)
        for variant, (opset, folded, opened) in VARIANTS.items():
            try:
                proto, inputs = export(m, folder, opset, folded, opened)
            except (torch.onnx.errors.OnnxExporterError, RuntimeError) as err:
                print(f"{m.name} {variant}: not exported: {str(err).splitlines()[0]}", file=sys.stderr)
                continue
            found.append(record(folder, variant, m, proto, inputs))
        print(m.name, file=sys.stderr)
    for m, variant, proto, inputs in byhand.models():
        if names and m.name not in names:
            continue
        folder = os.path.join(root, m.name)
        os.makedirs(folder, exist_ok=True)
        found.append(record(folder, variant, m, proto, inputs))
    with open(os.path.join(root, "manifest.json"), "w") as f:
        json.dump(found, f, indent=1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
