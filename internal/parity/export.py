#!/usr/bin/env python3
"""Write networks with seeded random weights as ONNX files, the way PyTorch's own exporter writes them.

    export.py resnet18 vit_b_16 --out DIR           DIR/resnet18.onnx, DIR/vit_b_16.onnx
    export.py resnet18 --batchnorm kept --inputs    batch norm as its own nodes; DIR/resnet18.npz: inputs and outputs
    export.py all --ops                             which ONNX operators each network needs, nothing kept

Names are those of models.py. Folded, the exporter's default, merges batch norm into the convolution before it
and renames those weights onnx::Conv_193; kept leaves both with the names they have in PyTorch.
"""

import argparse
import collections
import os
import sys
import tempfile
import warnings

import numpy as np
import onnx
import torch

import models

warnings.filterwarnings("ignore")


def export(net, path, name, size, opset, kept, fixed, batch=2, fold=True):
    args, names, outs, axes = models.inputs(name, size, 1 if fixed else batch)
    torch.onnx.export(
        net, args, path, input_names=names, output_names=outs, opset_version=opset,
        dynamic_axes=None if fixed else axes, do_constant_folding=fold,
        # The exporter folds batch norm only when it is told that the network is for inference. PRESERVE with
        # the network in eval mode keeps it, still as the inference form with running statistics.
        training=torch.onnx.TrainingMode.PRESERVE if kept else torch.onnx.TrainingMode.EVAL)
    return args


def ops(graph, into):
    for n in graph.node:
        into[(n.domain + "." if n.domain else "") + n.op_type] += 1
        for a in n.attribute:
            for g in [a.g] if a.HasField("g") else a.graphs:
                ops(g, into)
    return into


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="+")
    p.add_argument("--out", default=".")
    p.add_argument("--size", type=int, default=224)
    p.add_argument("--opset", type=int, default=16)
    p.add_argument("--batchnorm", choices=["folded", "kept"], default="folded")
    p.add_argument("--fixed-batch", action="store_true", help="batch 1, not free")
    p.add_argument("--classes", type=int)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--inputs", action="store_true", help="also write NAME.npz with inputs and PyTorch's outputs")
    p.add_argument("--ops", action="store_true", help="print the operators of each network, keep no file")
    p.add_argument("--largest", type=float, default=1e9, help="skip networks with more parameters")
    a = p.parse_args()
    names = a.names
    if names == ["all"]:
        names = models.classifiers() + list(models.OWN)
    os.makedirs(a.out, exist_ok=True)
    failed = 0
    for name in names:
        out = tempfile.mkdtemp() if a.ops else a.out
        path = os.path.join(out, name + ".onnx")
        try:
            net = models.build(name, a.classes, a.size, a.seed)
            if sum(p.numel() for p in net.parameters()) > a.largest:
                continue
            args = export(net, path, name, a.size, a.opset, a.batchnorm == "kept", a.fixed_batch)
        except Exception as e:
            print(f"{name}: {type(e).__name__}: {str(e).splitlines()[0]}", file=sys.stderr)
            failed = 1
            continue
        if a.ops:
            count = ops(onnx.load(path).graph, collections.Counter())
            print(name, " ".join(f"{k}:{v}" for k, v in sorted(count.items())), flush=True)
            os.remove(path)
            os.rmdir(out)
            continue
        print(path)
        if a.inputs:
            with torch.no_grad():
                ys = net(*args)
            ys = ys if isinstance(ys, tuple) else (ys,)
            _, ins, outs, _ = models.inputs(name, a.size)
            arrays = {k: v.numpy() for k, v in zip(ins, args)} | {k: v.numpy() for k, v in zip(outs, ys)}
            np.savez(os.path.join(a.out, name + ".npz"), **arrays)
    return failed


if __name__ == "__main__":
    sys.exit(main())
