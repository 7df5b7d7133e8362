#!/usr/bin/env python3
"""Train a head on a frozen causal language model of stories260k's shape with PyTorch, as people usually do.

    torch_text.py DATA --epochs 10      DATA/{train,val}.csv with the columns text and label

Only the time is compared: weights are random, and a text becomes as many made-up token ids as it has thirds of its
length, which is fewer than a vocabulary of 512 needs, and costs nothing here. Texts are sorted by length within groups of
batches and padded to the longest of a batch; the frozen trunk is computed in every epoch and the head reads the last
token's state. --cached is what a careful person writes by hand: every text's state once, then the epochs on those.
Prints one JSON object: epoch_seconds, peak_rss_bytes, version.
"""

import argparse
import csv
import json
import os
import random
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "internal", "parity"))
import models


class Trunk(models.Llama):
    """The states before the language model's own head."""

    def forward(self, ids, last):
        t = ids.shape[1]
        x = self.token(ids)
        for layer in self.layers:
            x = layer(x, self.cos[:t], self.sin[:t], self.causal[:, :, :t, :t])
        return self.norm(x)[torch.arange(len(ids)), last]


def read(path, classes):
    out = []
    with open(path, newline="") as f:
        for row in csv.DictReader(f):
            n = len(row["text"]) // 3 + 1
            label = classes.setdefault(row["label"], len(classes))
            out.append((torch.tensor([1 + (7 * i + ord(row["text"][i])) % 511 for i in range(n)]), label))
    return out


def batches(examples, size, shuffle):
    order = list(range(len(examples)))
    if shuffle:
        random.shuffle(order)
    group = 20 * size
    for at in range(0, len(order), group):
        part = sorted(order[at:at + group], key=lambda i: len(examples[i][0]))
        for k in range(0, len(part), size):
            yield part[k:k + size]


def states(trunk, examples, indices):
    ids = nn.utils.rnn.pad_sequence([examples[i][0] for i in indices], batch_first=True)
    with torch.no_grad():
        return trunk(ids, torch.tensor([len(examples[i][0]) - 1 for i in indices]))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data")
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--mode", default="plain")
    p.add_argument("--cached", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    random.seed(1)
    classes = {}
    train, val = (read(os.path.join(a.data, name + ".csv"), classes) for name in ("train", "val"))
    trunk = Trunk(vocab=512, width=64, depth=5, heads=8, shared=4, hidden=172, longest=512).eval()
    head = nn.Linear(64, len(classes))
    opt = torch.optim.AdamW(head.parameters(), lr=0.01)
    kept = {}

    def features(which, examples, indices):
        if not a.cached:
            return states(trunk, examples, indices)
        missing = [i for i in indices if (which, i) not in kept]
        if missing:
            for i, x in zip(missing, states(trunk, examples, missing)):
                kept[which, i] = x
        return torch.stack([kept[which, i] for i in indices])

    seconds = []
    for _ in range(a.epochs):
        began = time.time()
        for part in batches(train, a.batch, True):
            loss = F.cross_entropy(head(features("train", train, part)), torch.tensor([train[i][1] for i in part]))
            opt.zero_grad()
            loss.backward()
            opt.step()
        with torch.no_grad():
            for part in batches(val, a.batch, False):
                head(features("val", val, part)).argmax(1)
        seconds.append(time.time() - began)
    print(json.dumps({"epoch_seconds": seconds, "peak_rss_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "version": torch.__version__}))


if __name__ == "__main__":
    main()
