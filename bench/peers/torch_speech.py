#!/usr/bin/env python3
"""Train a head on a frozen ONNX speech embedding with PyTorch, as people usually do.

    torch_speech.py MODELS DATA --epochs 10      MODELS/speech-{mel,embedding}.onnx, DATA/{train,val}/CLASS/*.wav

The models are run from their weights by PyTorch's own operators. A sound is read, resampled and turned into mel
windows once; the frozen embedding of its windows is computed in every epoch. --cached is what a careful person
writes by hand: every sound's features once, then the epochs on those.
Prints one JSON object: epoch_seconds, val_accuracy, peak_rss_bytes, version.
"""

import argparse
import glob
import json
import os
import resource
import time
import wave

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from torch import nn
from torch.nn import functional as F


class Graph(nn.Module):
    """A chain of the few ONNX operators that the two models use."""

    def __init__(self, path, channels_last):
        super().__init__()
        g = onnx.load(path).graph
        self.nodes = list(g.node)
        self.input, self.output = g.input[0].name, g.output[0].name
        self.last = channels_last
        self.const = {}
        for t in g.initializer:
            self.const[t.name] = torch.from_numpy(onnx.numpy_helper.to_array(t).copy())
        for n in self.nodes:
            if n.op_type == "Constant":
                self.const[n.output[0]] = torch.from_numpy(onnx.numpy_helper.to_array(n.attribute[0].t).copy())
        if channels_last:
            for n in self.nodes:
                if n.op_type == "Conv" and self.const[n.input[1]].dim() == 4:
                    self.const[n.input[1]] = self.const[n.input[1]].contiguous(memory_format=torch.channels_last)

    def forward(self, x):
        v = dict(self.const)
        v[self.input] = x
        for n in self.nodes:
            if n.op_type == "Constant":
                continue
            a = {t.name: onnx.helper.get_attribute_value(t) for t in n.attribute}
            i = [v[name] if name else None for name in n.input]
            v[n.output[0]] = getattr(self, n.op_type.lower())(a, *i)
        return v[self.output]

    def conv(self, a, x, w, b=None):
        pads, stride = a.get("pads", [0] * 2 * (x.dim() - 2)), tuple(a.get("strides", [1] * (x.dim() - 2)))
        half = len(pads) // 2
        assert list(pads[:half]) == list(pads[half:])
        if self.last and x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        return (F.conv2d if x.dim() == 4 else F.conv1d)(x, w, b, stride, tuple(pads[:half]))

    def reshape(self, a, x, s): return x.reshape([x.shape[k] if d == 0 else int(d) for k, d in enumerate(s.tolist())])
    def leakyrelu(self, a, x): return F.leaky_relu(x, a.get("alpha", 0.01))
    def max(self, a, x, y): return torch.maximum(x, y)
    def maxpool(self, a, x): return F.max_pool2d(x, tuple(a["kernel_shape"]), tuple(a["strides"]))
    def transpose(self, a, x): return x.permute(*a["perm"])
    def unsqueeze(self, a, x, axes): return x.unsqueeze(int(axes.reshape(-1)[0]))
    def pow(self, a, x, y): return x ** y
    def add(self, a, x, y): return x + y
    def sub(self, a, x, y): return x - y
    def mul(self, a, x, y): return x * y
    def div(self, a, x, y): return x / y
    def matmul(self, a, x, y): return x @ y
    def log(self, a, x): return x.log()
    def reducemax(self, a, x): return x.max()
    def cast(self, a, x): return x.float()

    def clip(self, a, x, low=None, high=None):
        return x.clamp(None if low is None else low, None if high is None else high)


def read(path):
    """A mono 16-bit file as samples, resampled to 16 kHz by a windowed sinc."""
    with wave.open(path) as w:
        rate = w.getframerate()
        x = np.frombuffer(w.readframes(w.getnframes()), "<i2").astype(np.float32)
    if rate == 16000:
        return torch.from_numpy(x)
    assert rate == 8000, path
    up = torch.zeros(2 * len(x))
    up[::2] = torch.from_numpy(x)
    t = torch.arange(-64, 65) / 2
    taps = torch.sinc(t) * torch.hann_window(129, periodic=False)
    return F.conv1d(up[None, None], taps[None, None], padding=64)[0, 0]


def windows(path, mel):
    """A sound's mel windows [K,76,32,1], half a second of silence around it."""
    x = F.pad(read(path), (8000, 8000))
    with torch.inference_mode():
        m = mel(x[None])[0, 0] / 10 + 2
    return m.unfold(0, 76, 8).transpose(1, 2).unsqueeze(3).contiguous()


def embed(net, batch):
    """The mean embedding of each sound of a batch."""
    rows = net(torch.cat(batch)).reshape(-1, 96)
    return torch.stack([r.mean(0) for r in rows.split([len(x) for x in batch])])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models")
    p.add_argument("data")
    p.add_argument("--cached", action="store_true")
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--lr", type=float, default=0.01)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--mode", choices=["plain", "channels_last"], default="plain")
    a = p.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(a.threads)
    mel, net = [Graph(os.path.join(a.models, f"speech-{n}.onnx"), a.mode == "channels_last") for n in ("mel", "embedding")]
    classes = sorted(os.listdir(os.path.join(a.data, "train")))
    sets = []
    for part in ("train", "val"):
        files = [(f, k) for k, c in enumerate(classes) for f in sorted(glob.glob(os.path.join(a.data, part, c, "*.wav")))]
        sets.append(([windows(f, mel) for f, _ in files], torch.tensor([k for _, k in files])))

    def frozen(batch):
        with torch.inference_mode():
            return embed(net, batch)

    if a.cached:
        sets = [([frozen(x[i:i + a.batch]) for i in range(0, len(x), a.batch)], y) for x, y in sets]
        sets = [([row for part in x for row in part], y) for x, y in sets]
        features = torch.stack
    else:
        features = frozen
    head = nn.Linear(96, len(classes))
    opt = torch.optim.AdamW(head.parameters(), lr=a.lr)
    steps = a.epochs * -(-len(sets[0][0]) // a.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
    seconds, accuracy = [], 0
    for _ in range(a.epochs):
        began = time.time()
        x, y = sets[0]
        for i in torch.randperm(len(x)).split(a.batch):
            f = features([x[k] for k in i]).clone()
            loss = F.cross_entropy(head(f), y[i])
            opt.zero_grad()
            loss.backward()
            opt.step()
            schedule.step()
        x, y = sets[1]
        with torch.inference_mode():
            right = sum((head(features(x[i:i + a.batch])).argmax(1) == y[i:i + a.batch]).sum().item() for i in range(0, len(x), a.batch))
        accuracy = right / len(x)
        seconds.append(time.time() - began)
    print(json.dumps({"epoch_seconds": seconds, "val_accuracy": accuracy, "version": torch.__version__,
                      "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


main()
