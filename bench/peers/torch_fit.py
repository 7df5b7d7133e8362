#!/usr/bin/env python3
"""Fine-tune a torchvision network on class folders of pictures with PyTorch, as people usually do.

    torch_fit.py resnet18 DATA --what stage --epochs 10       DATA/train/CLASS/*.jpg, DATA/val/CLASS/*.jpg

head and stage freeze the rest the usual way: no gradient, batch norm in inference mode, and still a full forward
pass for every picture of every epoch, decoded anew. --cached is what a careful person writes by hand for the head
alone: every picture's features once, then the epochs on those. Weights are random: this measures time and memory.
Prints one JSON object: epoch_seconds, val_accuracy, peak_rss_bytes, version.
"""

import argparse
import json
import os
import resource
import time

import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchvision import transforms

from torch_bench import HEADS, thaw


def loaders(folder, size, batch, workers):
    t = transforms.Compose([
        transforms.Resize(size * 256 // 224), transforms.CenterCrop(size), transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    sets = [torchvision.datasets.ImageFolder(os.path.join(folder, part), t) for part in ("train", "val")]
    return [DataLoader(s, batch, shuffle=i == 0, num_workers=workers) for i, s in enumerate(sets)], sets[0].classes


def replace_head(net, name, classes):
    """Put a new classifier in the place of the last Linear layer and return its path."""
    path, last = [(n, m) for n, m in net.named_modules() if isinstance(m, nn.Linear) and n.startswith(HEADS[name].rstrip("."))][-1]
    parent, _, leaf = path.rpartition(".")
    setattr(net.get_submodule(parent), leaf, nn.Linear(last.in_features, classes))
    return path


def evaluate(net, loader, form):
    right = total = 0
    with torch.inference_mode():
        for x, y in loader:
            right += (net(form(x)).argmax(1) == y).sum().item()
            total += len(y)
    return right / total


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("name", choices=HEADS)
    p.add_argument("data")
    p.add_argument("--what", choices=["head", "stage", "full"], default="head")
    p.add_argument("--cached", action="store_true")
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--size", type=int, default=224)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--workers", type=int, default=0)
    p.add_argument("--mode", choices=["plain", "channels_last"], default="plain")
    a = p.parse_args()

    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    (train, val), classes = loaders(a.data, a.size, a.batch, a.workers)
    net = torchvision.models.get_model(a.name, weights=None)
    head = replace_head(net, a.name, len(classes))
    form = lambda x: x
    if a.mode == "channels_last":
        net = net.to(memory_format=torch.channels_last)
        form = lambda x: x.contiguous(memory_format=torch.channels_last)
    params = thaw(net, a.name, a.what)

    if a.cached:
        parent, _, leaf = head.rpartition(".")
        classifier = net.get_submodule(head)
        setattr(net.get_submodule(parent), leaf, nn.Identity())
        net.eval()

        def features(loader):
            with torch.inference_mode():
                parts = [(net(form(x)), y) for x, y in loader]
            return torch.cat([x for x, _ in parts]).clone(), torch.cat([y for _, y in parts])

        train = DataLoader(TensorDataset(*features(train)), a.batch, shuffle=True)
        val = DataLoader(TensorDataset(*features(val)), a.batch)
        net, form = classifier, lambda x: x
        params = list(net.parameters())

    opt = torch.optim.AdamW(params, 1e-3, foreach=True)
    modes = [(m, m.training) for m in net.modules()]
    epochs = []
    for _ in range(a.epochs):
        t = time.time()
        for m, training in modes:
            m.training = training
        for x, y in train:
            opt.zero_grad(set_to_none=True)
            F.cross_entropy(net(form(x)), y).backward()
            opt.step()
        net.eval()
        accuracy = evaluate(net, val, form)
        epochs.append(time.time() - t)
    print(json.dumps({
        "epoch_seconds": epochs, "val_accuracy": accuracy,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "version": f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}"}))


if __name__ == "__main__":
    main()
