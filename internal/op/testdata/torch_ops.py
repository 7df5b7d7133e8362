#!/usr/bin/env python3
"""Write torch_ops.json.gz: operators with PyTorch's outputs and gradients, computed in float64.

A case is a few ONNX nodes (or, where "ir" is set, operators of Permafrost's own graph), inputs, dy, the gradient
with respect to the first output, and what PyTorch gives: that output and the gradient of every float input that
is not "const". Inputs have three decimals so that float32 holds nearly the same numbers.

    python3 torch_ops.py            writes beside itself
"""

import gzip
import json
import os

import torch
from torch.nn import functional as F

torch.manual_seed(0)
cases = []


def rnd(*shape, lo=-1.0, hi=1.0):
    return ((torch.rand(shape, dtype=torch.float64) * (hi - lo) + lo) * 1000).round() / 1000


def ints(*v):
    return torch.tensor(v, dtype=torch.int64)


def pack(t, exact=False):
    t = t.detach()
    if t.dtype == torch.int64:
        return {"dtype": "int64", "shape": list(t.shape), "data": t.flatten().tolist()}
    return {"dtype": "float32", "shape": list(t.shape), "data": [round(x, 3) if exact else float("%.8g" % x) for x in t.flatten().tolist()]}


def add(name, nodes, inputs, f, const=(), version=16, ir=False):
    """nodes: (operator, attributes, input names, output name) or one of them; f: the same in PyTorch."""
    if isinstance(nodes, tuple):
        nodes = [nodes]
    xs = {k: (v.clone().requires_grad_() if v.dtype.is_floating_point and k not in const else v) for k, v in inputs.items()}
    y = f(*xs.values())
    dy = rnd(*y.shape)
    wrt = [k for k, v in xs.items() if v.requires_grad]
    grads = torch.autograd.grad(y, [xs[k] for k in wrt], dy, allow_unused=True)
    cases.append({
        "name": name, "version": version, "ir": ir,
        "nodes": [{"op": o, "attrs": a, "in": i, "out": r} for o, a, i, r in nodes],
        "inputs": {k: pack(v, True) | ({"const": True} if k in const else {}) for k, v in inputs.items()},
        "y": pack(y), "dy": pack(dy, True),
        "grads": {k: pack(torch.zeros_like(xs[k]) if g is None else g) for k, g in zip(wrt, grads)}})


def simple(name, op, attrs, inputs, f, **kw):
    add(name, (op, attrs, list(inputs), "y"), inputs, f, **kw)


# Convolution: x [N,C,spatial], w [M,C/group,kernel].
def conv(name, x, w, bias=True, stride=1, pad=0, dilation=1, group=1):
    n = len(w) - 2
    two = lambda v: list(v) if isinstance(v, tuple) else [v] * n
    inputs = {"x": rnd(*x), "w": rnd(*w)} | ({"b": rnd(w[0])} if bias else {})
    fn = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[n]
    simple("conv " + name, "Conv", {"kernel_shape": list(w[2:]), "strides": two(stride), "pads": two(pad) * 2, "dilations": two(dilation), "group": group},
           inputs, lambda x, w, b=None: fn(x, w, b, stride, pad, dilation, group))


conv("1x1", (2, 5, 4, 3), (7, 5, 1, 1))
conv("1x1 stride 2", (1, 4, 5, 6), (3, 4, 1, 1), bias=False, stride=2)
conv("3x3", (2, 3, 6, 5), (4, 3, 3, 3), pad=1)
conv("3x3 wide", (1, 17, 9, 9), (19, 17, 3, 3), bias=False, pad=1)
conv("3x3 stride 2", (2, 3, 7, 8), (5, 3, 3, 3), stride=2, pad=1)
conv("7x7 stride 2", (1, 3, 13, 12), (4, 3, 7, 7), bias=False, stride=2, pad=3)
conv("valid 2x3", (1, 2, 5, 6), (3, 2, 2, 3))
conv("patches", (2, 3, 8, 8), (6, 3, 4, 4), stride=4)
conv("dilated", (1, 3, 9, 8), (4, 3, 3, 3), pad=2, dilation=2)
conv("uneven", (1, 2, 9, 7), (3, 2, 3, 2), stride=(2, 3), pad=(2, 1), dilation=(1, 2))
conv("grouped", (2, 6, 5, 5), (9, 2, 3, 3), pad=1, group=3)
conv("depthwise", (2, 7, 6, 6), (7, 1, 3, 3), pad=1, group=7)
conv("depthwise 5x5 stride 2", (1, 5, 9, 9), (5, 1, 5, 5), bias=False, stride=2, pad=2, group=5)
conv("depthwise multiplier", (1, 3, 5, 5), (6, 1, 3, 3), pad=1, group=3)
conv("depthwise 7x7", (1, 4, 8, 8), (4, 1, 7, 7), pad=3, group=4)
conv("1-D", (2, 4, 11), (5, 4, 3), stride=2, pad=1)
conv("1-D grouped", (1, 6, 9), (6, 3, 4), pad=2, group=2)
conv("3-D", (1, 2, 4, 4, 3), (3, 2, 3, 2, 2), pad=1)


def deconv(name, x, w, bias=True, stride=1, pad=0, dilation=1, group=1, extra=0):
    n = len(w) - 2
    two = lambda v: list(v) if isinstance(v, tuple) else [v] * n
    inputs = {"x": rnd(*x), "w": rnd(*w)} | ({"b": rnd(w[1] * group)} if bias else {})
    fn = {1: F.conv_transpose1d, 2: F.conv_transpose2d}[n]
    simple("conv transpose " + name, "ConvTranspose", {"kernel_shape": list(w[2:]), "strides": two(stride), "pads": two(pad) * 2, "dilations": two(dilation), "group": group, "output_padding": two(extra)},
           inputs, lambda x, w, b=None: fn(x, w, b, stride, pad, extra, group, dilation))


deconv("3x3", (1, 4, 4, 3), (4, 3, 3, 3), pad=1)
deconv("stride 2", (2, 3, 3, 4), (3, 5, 4, 4), stride=2, pad=1)
deconv("output padding", (1, 3, 3, 3), (3, 2, 3, 3), bias=False, stride=2, pad=1, extra=1)
deconv("grouped", (1, 4, 3, 3), (4, 3, 3, 3), stride=2, group=2)
deconv("dilated 1-D", (1, 2, 5), (2, 3, 3), dilation=2)

# Normalisation.
for shape in [(4, 3, 5, 4), (6, 5), (3, 4, 7)]:
    c = shape[1]
    s = "x".join(map(str, shape))
    stats = {"scale": rnd(c, lo=0.5, hi=1.5), "bias": rnd(c)}
    simple("batch norm inference " + s, "BatchNormalization", {"epsilon": 1e-3},
           {"x": rnd(*shape)} | stats | {"mean": rnd(c), "var": rnd(c, lo=0.5, hi=2)},
           lambda x, scale, bias, mean, var: F.batch_norm(x, mean, var, scale, bias, False, 0.1, 1e-3), const=("mean", "var"), version=15)
    simple("batch norm train " + s, "BatchNormTrain", {"epsilon": 1e-5}, {"x": rnd(*shape, lo=-2, hi=3)} | stats,
           lambda x, scale, bias: F.batch_norm(x, None, None, scale, bias, True, 0.1, 1e-5), ir=True)
simple("layer norm", "LayerNormalization", {"axis": -1, "epsilon": 1e-5}, {"x": rnd(3, 4, 9), "scale": rnd(9), "bias": rnd(9)},
       lambda x, scale, bias: F.layer_norm(x, (9,), scale, bias, 1e-5), version=17)
simple("layer norm two axes", "LayerNormalization", {"axis": -2, "epsilon": 1e-6}, {"x": rnd(3, 4, 5), "scale": rnd(4, 5), "bias": rnd(4, 5)},
       lambda x, scale, bias: F.layer_norm(x, (4, 5), scale, bias, 1e-6), version=17)
simple("layer norm without bias", "LayerNormalization", {"axis": -1}, {"x": rnd(5, 33), "scale": rnd(33)},
       lambda x, scale: F.layer_norm(x, (33,), scale, None, 1e-5), version=17)
add("layer norm written out", [
    ("ReduceMean", {"axes": [-1]}, ["x"], "m"), ("Sub", {}, ["x", "m"], "d"), ("Pow", {}, ["d", "two"], "q"),
    ("ReduceMean", {"axes": [-1]}, ["q"], "v"), ("Add", {}, ["v", "eps"], "e"), ("Sqrt", {}, ["e"], "r"),
    ("Div", {}, ["d", "r"], "n"), ("Mul", {}, ["n", "scale"], "g"), ("Add", {}, ["g", "bias"], "y")],
    {"x": rnd(2, 3, 8), "scale": rnd(8), "bias": rnd(8), "two": torch.tensor(2.0, dtype=torch.float64), "eps": torch.tensor(0.001, dtype=torch.float64)},
    lambda x, scale, bias, *_: F.layer_norm(x, (8,), scale, bias, 1e-3), const=("two", "eps"))
simple("group norm", "GroupNormalization", {"num_groups": 3, "epsilon": 1e-5}, {"x": rnd(2, 6, 4, 3), "scale": rnd(6), "bias": rnd(6)},
       lambda x, scale, bias: F.group_norm(x, 3, scale, bias, 1e-5), version=21)
simple("instance norm", "InstanceNormalization", {"epsilon": 1e-5}, {"x": rnd(2, 3, 4, 5), "scale": rnd(3), "bias": rnd(3)},
       lambda x, scale, bias: F.instance_norm(x, None, None, scale, bias, True, 0.1, 1e-5))
simple("instance norm 1-D", "InstanceNormalization", {"epsilon": 1e-5}, {"x": rnd(2, 4, 19), "scale": rnd(4), "bias": rnd(4)},
       lambda x, scale, bias: F.instance_norm(x, None, None, scale, bias, True, 0.1, 1e-5))


# Pooling. Values are spread so that no window has two equal maxima.
def spread(*shape):
    n = 1
    for d in shape:
        n *= d
    return ((torch.randperm(n).double() - n / 2) / n * 4 * 1000).round().view(*shape) / 1000


def pool(name, op, shape, k, s, p, f, **attrs):
    simple(name, op, {"kernel_shape": [k, k], "strides": [s, s], "pads": [p] * 4} | attrs, {"x": spread(*shape)}, lambda x: f(x, k, s, p))


pool("max pool 3x3 stride 2", "MaxPool", (2, 3, 9, 8), 3, 2, 1, F.max_pool2d)
pool("max pool 2x2", "MaxPool", (1, 4, 6, 7), 2, 2, 0, F.max_pool2d)
pool("max pool 3x3 overlapping", "MaxPool", (1, 2, 5, 5), 3, 1, 1, F.max_pool2d)
pool("max pool ceil", "MaxPool", (1, 3, 6, 6), 3, 2, 0, lambda x, k, s, p: F.max_pool2d(x, k, s, p, ceil_mode=True), ceil_mode=1)
pool("average pool 2x2", "AveragePool", (2, 3, 6, 4), 2, 2, 0, F.avg_pool2d)
pool("average pool padded", "AveragePool", (1, 3, 7, 6), 3, 2, 1, lambda x, k, s, p: F.avg_pool2d(x, k, s, p, count_include_pad=False))
pool("average pool padding counted", "AveragePool", (1, 3, 7, 6), 3, 2, 1, lambda x, k, s, p: F.avg_pool2d(x, k, s, p), count_include_pad=1)
simple("global average pool", "GlobalAveragePool", {}, {"x": rnd(2, 5, 4, 3)}, lambda x: x.mean((2, 3), keepdim=True))
simple("global max pool", "GlobalMaxPool", {}, {"x": spread(2, 3, 4, 5)}, lambda x: x.amax((2, 3), keepdim=True))

# Activations, over a range that covers both tails and the middle, off the kinks.
x = torch.linspace(-6.03, 6.03, 61, dtype=torch.float64).mul(1000).round().div(1000)
for op, attrs, f, v in [
    ("Relu", {}, F.relu, 14), ("Sigmoid", {}, torch.sigmoid, 13), ("Tanh", {}, torch.tanh, 13), ("Erf", {}, torch.erf, 13),
    ("Exp", {}, torch.exp, 13), ("Softplus", {}, F.softplus, 1), ("Softsign", {}, F.softsign, 1),
    ("LeakyRelu", {"alpha": 0.1}, lambda x: F.leaky_relu(x, 0.1), 16), ("Elu", {"alpha": 0.7}, lambda x: F.elu(x, 0.7), 6),
    ("Selu", {}, F.selu, 6), ("Celu", {"alpha": 1.3}, lambda x: F.celu(x, 1.3), 12), ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}, F.hardsigmoid, 6),
    ("HardSwish", {}, F.hardswish, 14), ("Mish", {}, F.mish, 18), ("Gelu", {}, F.gelu, 20),
    ("Gelu", {"approximate": "tanh"}, lambda x: F.gelu(x, approximate="tanh"), 20)]:
    simple("activation " + op + (" tanh" if "approximate" in attrs else ""), op, attrs, {"x": x}, f, version=v)
add("activation silu written out", [("Sigmoid", {}, ["x"], "s"), ("Mul", {}, ["x", "s"], "y")], {"x": x}, F.silu)
simple("activation clip", "Clip", {}, {"x": x, "lo": torch.tensor(0.0, dtype=torch.float64), "hi": torch.tensor(5.8, dtype=torch.float64)},
       lambda x, lo, hi: F.hardtanh(x, 0.0, 5.8), const=("lo", "hi"))
simple("activation PRelu", "PRelu", {}, {"x": rnd(2, 3, 4, 4), "slope": rnd(3, 1, 1)}, lambda x, slope: F.prelu(x, slope.flatten()))
for axis in (-1, 1):
    simple(f"softmax axis {axis}", "Softmax", {"axis": axis}, {"x": rnd(3, 5, 7, lo=-4, hi=4)}, lambda x: x.softmax(axis))
    simple(f"log softmax axis {axis}", "LogSoftmax", {"axis": axis}, {"x": rnd(3, 5, 4, lo=-4, hi=4)}, lambda x: x.log_softmax(axis))

# Losses.
labels, few = ints(2, 0, 4, 1, 3, 2), ints(2, -100, 4, 1, -100, 2)
weights = rnd(5, lo=0.3, hi=2)
for name, attrs, lab, w, kw in [
    ("", {}, labels, None, {}), (" smoothed", {"label_smoothing": 0.1}, labels, None, {"label_smoothing": 0.1}),
    (" weighted", {}, labels, weights, {}), (" ignoring", {}, few, None, {}),
    (" smoothed, weighted, ignoring", {"label_smoothing": 0.2}, few, weights, {"label_smoothing": 0.2}),
    (" sum", {"reduction": "sum"}, few, weights, {"reduction": "sum"})]:
    simple("cross entropy" + name, "SoftmaxCrossEntropy", attrs,
           {"x": rnd(6, 5, lo=-3, hi=3), "labels": lab} | ({"w": w} if w is not None else {}),
           lambda x, labels, w=None: F.cross_entropy(x, labels, w, **kw), const=("w",), ir=True)

# Products.
def product(name, a, b, f=lambda a, b: a @ b):
    simple("matmul " + name, "MatMul", {}, {"a": rnd(*a), "b": rnd(*b)}, f)


product("plain", (7, 5), (5, 9))
product("vector", (5,), (5, 4))
product("batched", (2, 3, 4, 5), (2, 3, 5, 6))
product("broadcast", (2, 1, 4, 5), (3, 5, 6))
product("shared", (3, 4, 5), (5, 6))
product("large", (33, 40), (40, 35))
for ta in (0, 1):
    for tb in (0, 1):
        t = lambda m, on: m.t() if on else m
        simple(f"gemm {ta}{tb}", "Gemm", {"transA": ta, "transB": tb, "alpha": 0.5, "beta": 2.0} if ta else {"transB": tb},
               {"a": rnd(*((6, 5) if ta else (5, 6))), "b": rnd(*((4, 6) if tb else (6, 4))), "c": rnd(4)},
               lambda a, b, c: (0.5 if ta else 1) * t(a, ta) @ t(b, tb) + (2 if ta else 1) * c, version=13)


# Attention as exporters write it: q, k, v [N,heads,T,d], mask added to the scores.
def attention(name, q, k, causal=False, mask=False):
    d = q[-1]
    inputs = {"q": rnd(*q, lo=-2, hi=2), "k": rnd(*k, lo=-2, hi=2), "v": rnd(*k), "c": torch.tensor(0.25, dtype=torch.float64)}
    nodes = [("Transpose", {"perm": [0, 1, 3, 2]}, ["k"], "kt"), ("MatMul", {}, ["q", "kt"], "s"), ("Mul", {}, ["s", "c"], "t")]
    m = None
    if causal:
        m = torch.full((q[2], k[2]), -10000.0, dtype=torch.float64).triu(1)
    elif mask:
        m = torch.zeros(q[0], 1, 1, k[2], dtype=torch.float64)
        m[-1, ..., -2:] = -10000.0
    if m is not None:
        inputs["m"] = m
        nodes.append(("Add", {}, ["t", "m"], "u"))
    nodes += [("Softmax", {"axis": -1}, [nodes[-1][3]], "p"), ("MatMul", {}, ["p", "v"], "y")]
    add("attention " + name, nodes, inputs,
        lambda q, k, v, c, m=0: (q @ k.transpose(-1, -2) * 0.25 + m).softmax(-1) @ v, const=("c", "m"))


attention("plain", (2, 2, 6, 8), (2, 2, 6, 8))
attention("causal", (1, 2, 7, 5), (1, 2, 7, 5), causal=True)
attention("masked, other length", (2, 1, 3, 4), (2, 1, 6, 4), mask=True)

# Embeddings and rearrangement.
simple("embedding", "Gather", {}, {"table": rnd(9, 4), "ids": torch.tensor([[1, 3, 3], [0, 8, 1]])}, lambda table, ids: F.embedding(ids, table))
simple("gather axis 1", "Gather", {"axis": 1}, {"x": rnd(2, 6, 3), "i": ints(5, 0, 0)}, lambda x, i: x[:, i])
simple("gather elements", "GatherElements", {"axis": 1}, {"x": rnd(3, 4), "i": torch.tensor([[0, 0], [3, 1], [2, 2]])}, lambda x, i: x.gather(1, i))
simple("transpose", "Transpose", {"perm": [2, 0, 3, 1]}, {"x": rnd(2, 3, 4, 2)}, lambda x: x.permute(2, 0, 3, 1))
simple("concat", "Concat", {"axis": 1}, {"a": rnd(2, 3, 2), "b": rnd(2, 1, 2)}, lambda a, b: torch.cat([a, b], 1))
simple("pad", "Pad", {"mode": "constant"}, {"x": rnd(1, 2, 3, 3), "p": ints(0, 0, 1, 2, 0, 0, 0, 1)}, lambda x, p: F.pad(x, (2, 1, 1, 0)), const=("p",))
simple("pad reflect", "Pad", {"mode": "reflect"}, {"x": rnd(1, 2, 4, 4), "p": ints(0, 0, 1, 2, 0, 0, 2, 1)}, lambda x, p: F.pad(x, (2, 1, 1, 2), "reflect"), const=("p",))
for name, op, f in [("add", "Add", torch.add), ("sub", "Sub", torch.sub), ("mul", "Mul", torch.mul), ("div", "Div", torch.div)]:
    simple(name + " broadcast", op, {}, {"a": rnd(2, 3, 1, 4), "b": rnd(3, 5, 1, lo=0.5, hi=2)}, f)
simple("pow", "Pow", {}, {"a": rnd(3, 4, lo=0.5, hi=2), "b": rnd(4, lo=-2, hi=3)}, lambda a, b: a ** b)
simple("reduce mean", "ReduceMean", {"axes": [1, 2], "keepdims": 0}, {"x": rnd(2, 3, 4, 2)}, lambda x: x.mean((1, 2)))
simple("reduce max", "ReduceMax", {"axes": [1]}, {"x": spread(2, 5, 3)}, lambda x: x.amax(1, keepdim=True))
simple("reduce l2", "ReduceL2", {"axes": [-1]}, {"x": rnd(3, 6)}, lambda x: x.norm(dim=-1, keepdim=True))
for mode, tm, kw, attrs in [("nearest", "nearest", {}, {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
                            ("linear", "bilinear", {"align_corners": False}, {"coordinate_transformation_mode": "pytorch_half_pixel"}),
                            ("linear", "bilinear", {"align_corners": True}, {"coordinate_transformation_mode": "align_corners"})]:
    add(f"resize {mode} {attrs['coordinate_transformation_mode']}", ("Resize", {"mode": mode} | attrs, ["x", "", "", "s"], "y"),
        {"x": rnd(1, 2, 3, 4), "s": ints(1, 2, 7, 6)}, lambda x, s: F.interpolate(x, (7, 6), mode=tm, **kw), const=("s",))
simple("depth to space", "DepthToSpace", {"blocksize": 2, "mode": "CRD"}, {"x": rnd(1, 8, 2, 3)}, lambda x: F.pixel_shuffle(x, 2))


# Recurrent layers: PyTorch's gates i f g o become ONNX's i o f c, and r z n become z r h.
def recurrent(kind, hidden=3, width=4, steps=5, batch=2):
    torch.manual_seed(3)
    net = getattr(torch.nn, kind)(width, hidden).double()
    order = [0, 3, 1, 2] if kind == "LSTM" else [1, 0, 2]
    wx, wh, bx, bh = (rnd(*p.shape) for p in net.parameters())
    reorder = lambda m: torch.cat([m.chunk(len(order))[i] for i in order])[None]
    back = [order.index(i) for i in range(len(order))]
    restore = lambda m: torch.cat([m[0].chunk(len(order))[i] for i in back])
    inputs = {"x": rnd(steps, batch, width), "w": reorder(wx), "r": reorder(wh), "b": torch.cat([reorder(bx), reorder(bh)], 1)}

    def f(x, w, r, b):
        b1, b2 = b.chunk(2, 1)
        zeros = torch.zeros(1, batch, hidden, dtype=torch.float64)
        ws = [restore(m) for m in (w, r, b1, b2)]
        if kind == "LSTM":
            y = torch.lstm(x, (zeros, zeros), ws, True, 1, 0.0, True, False, False)[0]
        else:
            y = torch.gru(x, zeros, ws, True, 1, 0.0, True, False, False)[0]
        return y[:, None]

    simple(kind.lower(), kind, {"hidden_size": hidden} | ({"linear_before_reset": 1} if kind == "GRU" else {}), inputs, f, version=14)


recurrent("LSTM")
recurrent("GRU")

# Losses. A name that is no operator is that of a function of the package that builds the loss.
scores, answers, positive = rnd(4, 3, lo=-4, hi=4), torch.tensor([[0, 1, 1], [1, 0, 0], [0.25, 1, 0], [1, 1, 0]], dtype=torch.float64), rnd(3, lo=0.5, hi=3)
bce = F.binary_cross_entropy_with_logits
simple("bce", "BCEWithLogits", {}, {"x": scores, "t": answers}, bce, const=("t",), ir=True)
simple("bce far", "BCEWithLogits", {}, {"x": scores * 20, "t": answers}, bce, const=("t",), ir=True)
simple("bce smooth", "BCEWithLogits", {"label_smoothing": 0.1}, {"x": scores, "t": answers}, lambda x, t: bce(x, t * 0.9 + 0.05), const=("t",), ir=True)
simple("bce weighted", "BCEWithLogits", {}, {"x": scores, "t": answers, "w": positive}, lambda x, t, w: bce(x, t, pos_weight=w), const=("t", "w"), ir=True)
wanted = rnd(4, 3, lo=-3, hi=3)
simple("mse", "MSE", {}, {"x": scores, "t": wanted}, F.mse_loss, const=("t",), ir=True)
simple("l1", "L1", {}, {"x": scores, "t": wanted}, F.l1_loss, const=("t",), ir=True)
simple("huber", "Huber", {"delta": 1.5}, {"x": scores, "t": wanted}, lambda x, t: F.huber_loss(x, t, delta=1.5), const=("t",), ir=True)
tokens = ints(1, 4, -100, 0, 2, -100, -100, -100).reshape(2, 4)
for name, e in ("", 0.0), (" smooth", 0.1):
    simple("token cross entropy" + name, "TokenCrossEntropy", {"label_smoothing": e}, {"x": rnd(2, 4, 5, lo=-3, hi=3), "t": tokens},
           lambda x, t: F.cross_entropy(x.flatten(0, 1), t.flatten(), label_smoothing=e), ir=True)


def ctc(name, x, labels, frames=None, blank=0, **kw):
    n, t, c = x.shape
    lengths = (labels >= 0).sum(1)

    def f(x, labels, frames=None):
        return F.ctc_loss(x.log_softmax(2).transpose(0, 1), labels, torch.full((n,), t) if frames is None else frames, lengths, blank, **kw)

    simple(name, "CTCLoss", {"blank": blank} | ({"zero_infinity": 1} if kw else {}),
           {"x": x, "labels": labels} | ({} if frames is None else {"frames": frames}), f, ir=True)


labels = ints(1, 1, 3, 2, -1, -1, -1, -1, -1).reshape(3, 3)
ctc("ctc", rnd(3, 6, 4, lo=-3, hi=3), labels)
ctc("ctc frames", rnd(3, 7, 4, lo=-3, hi=3), labels, ints(5, 7, 2))
ctc("ctc blank last", rnd(3, 5, 5, lo=-3, hi=3), labels, blank=4)
ctc("ctc too short", rnd(3, 5, 4), labels, ints(3, 5, 1), zero_infinity=True)
ctc("ctc long", rnd(1, 60, 30, lo=-9, hi=9), torch.cat([ints(*range(1, 20)), ints(19, 19)])[None])

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch_ops.json.gz")
with gzip.GzipFile(path, "wb", 9, mtime=0) as z:
    z.write(json.dumps({"torch": torch.__version__, "cases": cases}, separators=(",", ":")).encode())
print(len(cases), "cases,", os.path.getsize(path), "bytes")
