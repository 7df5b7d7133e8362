#!/usr/bin/env python3
"""Time PyTorch on a network of torchvision, or of internal/parity/models.py: a forward pass, or a training step with
some of the weights thawed.

    torch_bench.py resnet18 --what full --batch 16 --threads 2 --mode channels_last
    torch_bench.py encoder --what stage --batch 16 --length 128

Prints one JSON object: milliseconds (min, median), peak_rss_bytes, versions. what is forward (inference), or full,
stage or head: a step of AdamW on everything, on the last stage and the head, or on the head, the rest frozen the
usual way (no gradient, batch norm in inference mode). Set OPENBLAS_CORETYPE before the start to choose OpenBLAS's
kernels.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

import torch
import torchvision
from torch.nn import functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "internal", "parity"))
import models

# The first names of the weights of the last stage and of the head, by torchvision's names.
HEADS = {"resnet18": "fc.", "resnet50": "fc.", "mobilenet_v2": "classifier.", "efficientnet_b0": "classifier.", "vit_b_16": "heads.",
         "encoder": "classifier.", "llama": "lm_head.", "lstm_tagger": "head.", "wav2vec2": "lm_head."}
STAGES = {
    "resnet18": ("layer4.",), "resnet50": ("layer4.",), "mobilenet_v2": ("features.17.", "features.18."),
    "efficientnet_b0": ("features.7.", "features.8."), "vit_b_16": ("encoder.layers.encoder_layer_11.", "encoder.ln."),
    "encoder": ("layers.4.", "layers.5.", "pooler."), "llama": ("layers.5.", "norm."),
    "lstm_tagger": ("lstm.weight_ih_l1", "lstm.weight_hh_l1", "lstm.bias_ih_l1", "lstm.bias_hh_l1"), "wav2vec2": ("layers.3.", "out_norm."),
}


def thaw(net, name, what):
    """Freeze the usual way all but what: returns the weights to train."""
    head = HEADS[name]
    first = {"full": ("",), "stage": STAGES[name] + (head,), "head": (head,)}[what]
    net.eval()
    thawed = []
    for n, p in net.named_parameters():
        p.requires_grad_(n.startswith(first))
        if p.requires_grad:
            thawed.append(p)
    for n, m in net.named_modules():
        if (n + ".").startswith(first):
            m.train()
    return thawed


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("name")
    p.add_argument("--what", choices=["forward", "full", "stage", "head"], default="forward")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--size", type=int, default=224)
    p.add_argument("--length", type=int, help="of sequences, in tokens or samples")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seconds", type=float, default=6, help="how long to measure")
    p.add_argument("--mode", choices=["plain", "channels_last"], default="plain")
    a = p.parse_args()

    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    net = models.fresh(a.name)
    args, _, _, _ = models.inputs(a.name, a.size, a.batch, length=a.length)
    if a.mode == "channels_last":
        net = net.to(memory_format=torch.channels_last)
        args = tuple(x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x for x in args)

    def scores():
        y = net(*args)
        y = y[0] if isinstance(y, tuple) else y
        return y.flatten(0, -2)

    net.eval()
    with torch.no_grad():
        rows, classes = scores().shape
    labels = torch.randint(0, classes, (rows,))
    if a.what == "forward":
        def run():
            with torch.inference_mode():
                net(*args)
    else:
        opt = torch.optim.AdamW(thaw(net, a.name, a.what), 1e-4, foreach=True)

        def run():
            opt.zero_grad(set_to_none=True)
            F.cross_entropy(scores(), labels).backward()
            opt.step()

    for _ in range(2):
        run()
    times = []
    end = time.perf_counter() + a.seconds
    while len(times) < 3 or time.perf_counter() < end and len(times) < 200:
        t = time.perf_counter()
        run()
        times.append((time.perf_counter() - t) * 1e3)
    print(json.dumps({
        "ms_min": min(times), "ms_median": statistics.median(times), "runs": len(times),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "version": f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}"}))


if __name__ == "__main__":
    main()
