#!/usr/bin/env python3
"""Fit several labels or a number on pictures with PyTorch: a linear head on the frozen CIFAR ResNet-20, or everything.

    torch_answers.py resnet20-cifar10.onnx TABLES multilabel --epochs 30     TABLES/train.csv, TABLES/val.csv: file,label

The plan of permafrost fit: features standardised by the training pictures, numbers by the training numbers, AdamW with a cosine,
the best epoch by validation. Prints one JSON object: metric, value, best_epoch.
"""

import argparse
import csv
import json
import os

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from PIL import Image
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, c, k, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k)
        self.conv2, self.bn2 = nn.Conv2d(k, k, 3, 1, 1, bias=False), nn.BatchNorm2d(k)
        self.pad = (k - c) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.pad:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(x + y)


class Trunk(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        for i, (c, k) in enumerate([(16, 16), (16, 32), (32, 64)]):
            blocks = [Block(c, k, 1 if c == k else 2)] + [Block(k, k, 1) for _ in range(2)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.layer3(self.layer2(self.layer1(x))).mean((2, 3))


def pictures(path):
    rows = list(csv.DictReader(open(path)))
    x = [np.asarray(Image.open(r["file"]).convert("RGB").resize((32, 32), Image.BILINEAR), np.float32) / 255 for r in rows]
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    return torch.from_numpy(((np.stack(x) - mean) / std).transpose(0, 3, 1, 2).copy()), [r["label"] for r in rows]


def macro_f1(scores, wanted):
    given, wanted = scores > 0, wanted > 0.5
    both = (given & wanted).sum(0).double()
    return (2 * both / (given.sum(0) + wanted.sum(0))).mean().item()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("tables")
    p.add_argument("task", choices=["multilabel", "regress"])
    p.add_argument("--what", choices=["head", "full"], default="head")
    p.add_argument("--epochs", type=int, default=30)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--lr", type=float, default=0.01)
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    torch.manual_seed(a.seed)
    torch.set_num_threads(2)

    trunk = Trunk()
    weights = {w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in onnx.load(a.model).graph.initializer}
    known = {k: weights[k] for k in trunk.state_dict() if k in weights}
    assert all(k in known or k.endswith("num_batches_tracked") for k in trunk.state_dict())
    trunk.load_state_dict(known, strict=False)
    trunk.eval()

    (x, answers), (vx, vanswers) = (pictures(os.path.join(a.tables, s + ".csv")) for s in ("train", "val"))
    if a.task == "multilabel":
        names = sorted({l for t in answers for l in t.split("|") if l})
        y, vy = (torch.tensor([[float(n in t.split("|")) for n in names] for t in ts]) for ts in (answers, vanswers))
        loss = F.binary_cross_entropy_with_logits
        measure = lambda s: macro_f1(s, vy)
        better = lambda m, best: m > best
    else:
        y, vy = (torch.tensor([[float(t)] for t in ts]) for ts in (answers, vanswers))
        mean, std = y.mean(), y.std(unbiased=False)
        y = (y - mean) / std
        loss = F.mse_loss
        measure = lambda s: ((s * std + mean - vy) ** 2).mean().sqrt().item()
        better = lambda m, best: m < best

    with torch.no_grad():
        f = torch.cat([trunk(b) for b in x.split(256)])
        vf = torch.cat([trunk(b) for b in vx.split(256)])
    shift, scale = f.mean(0), f.std(0, unbiased=False)
    head = nn.Linear(f.shape[1], y.shape[1])
    nn.init.zeros_(head.weight), nn.init.zeros_(head.bias)
    params = list(head.parameters())
    forward = lambda b: head((b - shift) / scale)
    if a.what == "full":
        params += list(trunk.parameters())
        f, vf = x, vx
        forward = lambda b: head((trunk(b) - shift) / scale)
    opt = torch.optim.AdamW(params, a.lr)
    steps = (len(f) + a.batch - 1) // a.batch * a.epochs
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
    best, at = None, 0
    for epoch in range(a.epochs):
        trunk.train(a.what == "full")
        for i in torch.randperm(len(f)).split(a.batch):
            opt.zero_grad()
            loss(forward(f[i]), y[i]).backward()
            opt.step()
            schedule.step()
        trunk.eval()
        with torch.no_grad():
            m = measure(torch.cat([forward(b) for b in vf.split(256)]))
        if best is None or better(m, best):
            best, at = m, epoch
    print(json.dumps({"metric": "macro_f1" if a.task == "multilabel" else "rmse", "value": best, "best_epoch": at}))


if __name__ == "__main__":
    main()
