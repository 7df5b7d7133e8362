#!/usr/bin/env python3
"""State dicts of the networks of models.py.

    state.py save NAME FILE --size 64         torch.save of the network's state dict
    state.py load NAME FILE --size 64         load_state_dict of a safetensors file, strictly; prints whether the
                                              network then has the very numbers that save gives, and the largest
                                              difference of its outputs from the original's
"""

import argparse
import json

import numpy as np
import torch

import models

TYPES = {"F32": np.float32, "I64": np.int64}


def safetensors(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        data = f.read()
    out = {}
    for name, e in header.items():
        if name != "__metadata__":
            start, end = e["data_offsets"]
            out[name] = torch.from_numpy(np.frombuffer(data[start:end], TYPES[e["dtype"]]).reshape(e["shape"]).copy())
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["save", "load"])
    p.add_argument("name")
    p.add_argument("file")
    p.add_argument("--size", type=int, default=64)
    a = p.parse_args()
    net = models.build(a.name, size=a.size)
    if a.what == "save":
        torch.save({"state_dict": net.state_dict(), "epoch": 7}, a.file)
        return
    args = models.inputs(a.name, a.size)[0]
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with torch.no_grad():
        want = net(*args)
        net = models.build(a.name, size=a.size, seed=1)
        net.load_state_dict(safetensors(a.file), strict=True)
        off = (net(*args) - want).abs().max().item()
    same = sum(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    print(json.dumps({"same": same, "of": len(before), "off": off}))


if __name__ == "__main__":
    main()
