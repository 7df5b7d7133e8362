#!/usr/bin/env python3
"""Write what gradient parity of sequence models is tested on: as train.py does, without pictures.

    sequences.py encoder --out DIR

writes DIR/model.onnx and DIR/fixture.json, which holds the inputs, the labels (one for each row of the scores) and
the plans as train.py describes them.
"""

import argparse
import copy
import json
import os
import warnings

import onnx
import torch

import export
import models
import train

warnings.filterwarnings("ignore")

STAGES = {  # the first names of the weights of the last stage, and of the head; the batch and the length
    "encoder": (("layers.4.", "layers.5.", "pooler.", "classifier."), 4, 32),
    "llama": (("layers.5.", "norm.", "lm_head."), 2, 24),
    "lstm_tagger": (("lstm.weight_ih_l1", "lstm.weight_hh_l1", "lstm.bias_ih_l1", "lstm.bias_hh_l1", "head."), 4, 20),
    "wav2vec2": (("layers.3.", "out_norm.", "lm_head."), 2, 4000),
}


def recurrent(path):
    """The weights of LSTM layers, which the exporter puts together: PyTorch's layer -> names in the file."""
    nodes = [n for n in onnx.load(path).graph.node if n.op_type == "LSTM"]
    return {f"l{i}": list(n.input[1:4]) for i, n in enumerate(nodes)}


def file_names(net, path):
    """The parameters' names in the file: see train.onnx_names."""
    layers = recurrent(path)
    own = {n: layers[n.removesuffix("_reverse").rpartition("_")[2]] for n, _ in net.named_parameters() if n.startswith("lstm.")}
    names = {n: [k] for n, k in train.onnx_names(net, path, skip=own).items()}
    return names | own


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("name", choices=STAGES)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(1)
    stages, batch, length = STAGES[a.name]

    net = models.build(a.name)
    args, names, _, _ = models.inputs(a.name, batch=batch, length=length, seed=3)
    wide = tuple(x.double() if x.is_floating_point() else x for x in args)
    path = os.path.join(a.out, "model.onnx")
    export.export(net, path, a.name, 0, 16, kept=False, fixed=False)
    with torch.no_grad():
        before = train.scores(copy.deepcopy(net).double(), wide)
    labels = torch.randint(0, before.shape[-1], before.shape[:-1], generator=torch.Generator().manual_seed(4))

    every = [n for n, _ in net.named_parameters()]
    inside = file_names(net, path)
    out = []
    for name, first in {"head": stages[-1:], "last stage": stages, "all": ("",)}.items():
        thawed = {n for n in every if n.startswith(first)}
        record = train.plan(name, net, args, wide, labels, thawed, "auto")
        record["thawed"] = sorted({k for n in thawed for k in inside[n]})
        for key in ("start", "after"):
            record[key] = torch.tensor(record[key]).flatten(0, -2).tolist()
        out.append(record)
    with open(os.path.join(a.out, "fixture.json"), "w") as f:
        json.dump({"torch": torch.__version__, "model": a.name, "steps": train.STEPS, "momentum": train.MOMENTUM, "decay": train.DECAY,
                   "labels": labels.flatten().tolist(), "before": before.flatten(0, -2).tolist(), "plans": out,
                   "inputs": [{"name": n, "shape": list(x.shape), "integers": not x.is_floating_point(), "data": x.flatten().tolist()}
                              for n, x in zip(names, args)]}, f)


if __name__ == "__main__":
    main()
