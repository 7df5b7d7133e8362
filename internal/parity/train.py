#!/usr/bin/env python3
"""Write what gradient parity is tested on: a network, a batch, and what three steps of PyTorch's SGD make of it.

    train.py resnet18 --out DIR

writes DIR/model.onnx (batch norm kept) and its DIR/model.preprocessor.json, the batch as DIR/pictures/CLASS/N.png
and DIR/fixture.json. Each of its plans names the thawed weights as the ONNX file names them, the learning rate, the
loss before each step, and the logits in inference mode before and after, from steps taken in float64, for the
pictures in the order of their paths. noise is how
far float32 in PyTorch itself ends from that: the norm of the difference over the norm of the change of the logits.
The change counts from "start": the logits after the same steps at rate zero, when only running statistics move.
momentum and decay act as in torch.optim.SGD; the loss is the mean cross-entropy.

A batch norm whose scale or bias is thawed uses the batch's statistics and moves its running ones; with
"batchnorm": "frozen" none does. Dropout and stochastic depth are off.

Deep random networks with batch norm amplify rounding, so the network is trained a little first, on other labels,
and the rate of each plan is the largest whose noise is small.
"""

import argparse
import copy
import json
import math
import os
import warnings

import numpy as np
import onnx
from onnx import numpy_helper
import torch
import torchvision
from PIL import Image
from torch import nn
from torch.nn import functional as F

import export
import models

warnings.filterwarnings("ignore")

MOMENTUM, DECAY, STEPS = 0.9, 0.01, 3
STAGES = {  # the first names of the weights in the last stage, and of the head
    "resnet18": ("layer4.", "fc."), "resnet50": ("layer4.", "fc."),
    "resnext50_32x4d": ("layer4.", "fc."), "wide_resnet50_2": ("layer4.", "fc."),
    "mobilenet_v2": ("features.17.", "features.18.", "classifier."),
    "mobilenet_v3_small": ("features.11.", "features.12.", "classifier."),
    "efficientnet_b0": ("features.7.", "features.8.", "classifier."),
    "efficientnet_v2_s": ("features.7.", "classifier."),
    "convnext_tiny": ("features.7.", "classifier."),
    "swin_t": ("features.7.", "norm.", "head."),
    "densenet121": ("features.denseblock4.", "features.norm5.", "classifier."),
    "alexnet": ("features.10.", "classifier."), "vgg11_bn": ("features.25.", "features.26.", "classifier."),
    "squeezenet1_1": ("features.12.", "classifier."),
    "googlenet": ("inception5b.", "fc."), "inception_v3": ("Mixed_7c.", "fc."),
    "shufflenet_v2_x0_5": ("stage4.", "conv5.", "fc."), "mnasnet0_5": ("layers.13.", "layers.14.", "layers.15.", "classifier."),
    "regnet_x_400mf": ("trunk_output.block4.", "fc."), "regnet_y_400mf": ("trunk_output.block4.", "fc."),
    "vit_b_16": ("encoder.layers.encoder_layer_11.", "encoder.ln.", "heads."),
    "vit_b_32": ("encoder.layers.encoder_layer_11.", "encoder.ln.", "heads."),
    "maxvit_t": ("blocks.3.", "classifier."),
    "tiny_vit": ("layers.3.", "norm.", "head."), "tiny_cnn": ("features.6.", "head."),
}
# The batch and the pictures' size, where the usual ones are too small for the network or take too long.
BATCH, SIZE = 16, 64
FORMATS = {
    "alexnet": (8, 224), "vgg11_bn": (4, 224), "inception_v3": (8, 112), "maxvit_t": (2, 224),
    "convnext_tiny": (8, 64), "swin_t": (8, 64), "efficientnet_v2_s": (8, 64),
    "wide_resnet50_2": (8, 64), "vit_b_16": (4, 64), "vit_b_32": (8, 64),
}


MEAN, STD = 0.5, 0.25


def pictures(count, classes, size, seed):
    """8-bit pictures of a few classes, each a smooth pattern under noise, and their labels."""
    g = torch.Generator().manual_seed(seed)
    patterns = F.interpolate(torch.randn(classes, 3, 4, 4, generator=g), (size, size), mode="bilinear")
    labels = torch.arange(count) % classes
    x = 128 + 40 * (patterns[labels] + 0.5 * torch.randn(count, 3, size, size, generator=g))
    return x.clamp(0, 255).byte(), labels


def normalise(pixels, dtype=torch.float32):
    return ((pixels.double() / 255 - MEAN) / STD).to(dtype)


def save(folder, pixels, labels):
    """Write the batch as class folders; classes have two digits so that names sort as numbers."""
    for i, (p, label) in enumerate(zip(pixels, labels.tolist())):
        d = os.path.join(folder, "pictures", f"{label:02}")
        os.makedirs(d, exist_ok=True)
        Image.fromarray(p.permute(1, 2, 0).numpy()).save(os.path.join(d, f"{i:03}.png"))
    with open(os.path.join(folder, "model.preprocessor.json"), "w") as f:
        json.dump({"do_resize": False, "do_center_crop": False, "do_rescale": True, "rescale_factor": 1 / 255,
                   "do_normalize": True, "image_mean": [MEAN] * 3, "image_std": [STD] * 3}, f)


def still(net):
    """net with dropout and stochastic depth off."""
    for m in net.modules():
        if isinstance(m, (nn.Dropout, torchvision.ops.StochasticDepth)):
            m.p = 0.0
    return net


def norms(net):
    return [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def pretrain(net, images, labels, steps):
    net.train()
    opt = torch.optim.AdamW(net.parameters(), 1e-3)
    for _ in range(steps):
        opt.zero_grad()
        # Smoothed, so that no answer is so sure that the gradient of another task explodes.
        F.cross_entropy(net(images), labels, label_smoothing=0.5).backward()
        opt.step()
    net.eval()


def scores(net, args):
    """What net gives for its arguments: the first of its outputs."""
    y = net(*args)
    return y[0] if isinstance(y, tuple) else y


def steps(net, args, labels, thawed, batchnorm, lr):
    """The losses before each step, each the mean over all rows of scores, and the logits after all."""
    net.eval()
    params = []
    for name, p in net.named_parameters():
        p.requires_grad_(name in thawed)
        if name in thawed:
            params.append(p)
    if batchnorm == "auto":
        for m in norms(net):
            if m.weight.requires_grad or m.bias.requires_grad:
                m.train()
    opt = torch.optim.SGD(params, lr, momentum=MOMENTUM, weight_decay=DECAY)
    losses = []
    for _ in range(STEPS):
        opt.zero_grad()
        loss = F.cross_entropy(scores(net, args).flatten(0, -2), labels.flatten())
        losses.append(loss.item())
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        return losses, scores(net, args).double()


def plan(name, net, args, wide, labels, thawed, batchnorm):
    """The plan's record at the largest rate whose noise is small, or at the quietest; wide is args in float64."""
    best = None
    _, start = steps(copy.deepcopy(net).double(), wide, labels, thawed, batchnorm, 0.0)
    for lr in (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6, 1e-7):
        losses, after = steps(copy.deepcopy(net).double(), wide, labels, thawed, batchnorm, lr)
        _, single = steps(copy.deepcopy(net), args, labels, thawed, batchnorm, lr)
        noise = ((single - after).norm() / (after - start).norm()).item()
        if not math.isfinite(noise) or losses[-1] > losses[0]:
            continue  # this rate diverges
        if best is None or noise < best["noise"]:
            best = {"name": name, "batchnorm": batchnorm, "lr": lr, "noise": noise, "losses": losses, "start": start.tolist(), "after": after.tolist()}
        if noise < 2e-4:
            break
    if best is None:
        raise SystemExit(f"{name}: training diverges at every rate")
    print(f"  {name}, batch norm {batchnorm}: rate {best['lr']:g}, loss {best['losses'][0]:.3f} to {best['losses'][-1]:.3f}, noise {best['noise']:.1e}")
    return best


def onnx_names(net, path, skip=()):
    """Parameter name in PyTorch -> initializer in the file: the same name, or the same contents, perhaps transposed or
    with other axes of size 1."""
    init = {i.name: numpy_helper.to_array(i) for i in onnx.load(path).graph.initializer}
    names = {}
    for name, p in net.named_parameters():
        if name in skip:
            continue
        if name in init:
            names[name] = name
            continue
        w = p.detach().numpy()
        found = [k for k, v in init.items() if v.size == w.size and (np.array_equal(v.ravel(), w.ravel()) or w.ndim == 2 and np.array_equal(v, w.T))]
        if len(found) != 1:
            raise SystemExit(f"{name} is {found} in {path}")
        names[name] = found[0]
    return names


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("name", choices=STAGES)
    p.add_argument("--out", required=True)
    p.add_argument("--size", type=int)
    p.add_argument("--batch", type=int)
    p.add_argument("--classes", type=int, default=10)
    p.add_argument("--pretrain", type=int, help="steps (default: 20, and 5 without batch norm, which amplifies nothing)")
    a = p.parse_args()
    batch, size = FORMATS.get(a.name, (BATCH, SIZE))
    a.batch, a.size = a.batch or batch, a.size or size
    a.classes = min(a.classes, a.batch)  # each has a picture
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(1)

    net = still(models.build(a.name, a.classes, a.size))
    pixels, labels = pictures(max(64, a.batch), a.classes, a.size, 2)
    pretrain(net, normalise(pixels), labels, a.pretrain if a.pretrain is not None else 20 if norms(net) else 5)
    # A new task: other labels on the same pictures, so that there is something to learn. In order of label, as
    # the folders are.
    labels = (labels[: a.batch] * 3 + 1) % a.classes
    labels, order = labels.sort(stable=True)
    pixels = pixels[: a.batch][order]

    path = os.path.join(a.out, "model.onnx")
    # Swin's tables of relative positions are looked up at constant places: folded, the weights would be gone.
    export.export(net, path, a.name, a.size, 16, kept=True, fixed=False, fold=a.name != "swin_t")
    save(a.out, pixels, labels)

    every = [name for name, _ in net.named_parameters()]
    head = STAGES[a.name][-1]
    plans = {"head": [n for n in every if n.startswith(head)], "last stage": [n for n in every if n.startswith(STAGES[a.name])], "all": every}
    names = onnx_names(net, path)
    out = []
    for name, thawed in plans.items():
        for batchnorm in ("auto", "frozen") if norms(net) and name != "head" else ("auto",):
            record = plan(name, net, (normalise(pixels),), (normalise(pixels, torch.float64),), labels, set(thawed), batchnorm)
            record["thawed"] = [names[n] for n in thawed]
            out.append(record)
    with torch.no_grad():
        before = copy.deepcopy(net).double()(normalise(pixels, torch.float64))
    with open(os.path.join(a.out, "fixture.json"), "w") as f:
        json.dump({"torch": torch.__version__, "model": a.name, "batch": a.batch, "size": a.size, "classes": a.classes,
                   "steps": STEPS, "momentum": MOMENTUM, "decay": DECAY, "labels": labels.tolist(),
                   "before": before.tolist(), "plans": out}, f)


if __name__ == "__main__":
    main()
