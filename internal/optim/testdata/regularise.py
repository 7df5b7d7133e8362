"""Writes regularise.json: L2-SP, running averages of weights, and mixup by PyTorch, float32.

l2sp: two optimisers whose decay pulls towards an anchor. For SGD it is the penalty x/2 |w - anchor|^2 added to the loss; for AdamW it is
decoupled: the weights move by -lr x (w - anchor) before Adam's step. Gradients are clipped before.
average: torch.optim.swa_utils.AveragedModel, with its own mean and with an exponential one of growing decay.
batchnorm: torch.optim.swa_utils.update_bn over three batches.
mixup: loss and gradient of the scores of a mixture, plain and with label smoothing and class weights.
Run: python3 regularise.py > regularise.json
"""
import json
import torch
from torch.optim.swa_utils import AveragedModel, update_bn

torch.manual_seed(2)
STEPS, N, X = 8, 7, 0.1
start, anchor = torch.randn(N), torch.randn(N)
grads = [torch.randn(N) for _ in range(STEPS)]
rates = [0.02 * (1 - t / 20) for t in range(STEPS)]


def l2sp(kind):
    p = torch.nn.Parameter(start.clone())
    if kind == "sgd":
        opt = torch.optim.SGD([p], lr=1, momentum=0.9)
    else:
        opt = torch.optim.AdamW([p], lr=1, weight_decay=0.0)
    after = []
    for t in range(STEPS):
        opt.param_groups[0]["lr"] = rates[t]
        p.grad = grads[t].clone()
        torch.nn.utils.clip_grad_norm_([p], 1.0)
        with torch.no_grad():
            if kind == "sgd":
                p.grad += X * (p - anchor)
            else:
                p -= rates[t] * X * (p - anchor)
        opt.step()
        after.append(p.tolist())
    return after


def penalty():
    """The same as l2sp("sgd") without clipping, by autograd of the penalised loss."""
    p = torch.nn.Parameter(start.clone())
    opt = torch.optim.SGD([p], lr=1, momentum=0.9)
    after = []
    for t in range(STEPS):
        opt.param_groups[0]["lr"] = rates[t]
        opt.zero_grad()
        ((p * grads[t]).sum() + X / 2 * ((p - anchor) ** 2).sum()).backward()
        opt.step()
        after.append(p.tolist())
    return after


def average(avg_fn):
    m = torch.nn.Linear(N, 1, bias=False)
    mean = AveragedModel(m, avg_fn=avg_fn)
    out = []
    for t in range(STEPS):
        with torch.no_grad():
            m.weight += grads[t]
        mean.update_parameters(m)
        out.append({"w": m.weight[0].tolist(), "mean": mean.module.weight[0].tolist()})
    return out


def growing(a, p, n):
    d = min(0.5, (1 + float(n)) / (10 + float(n)))
    return d * a + (1 - d) * p


def batchnorm():
    bn = torch.nn.BatchNorm1d(3)
    batches = [torch.randn(n, 3) * 2 + 1 for n in (5, 5, 2)]
    update_bn(batches, bn)
    return {"batches": [b.tolist() for b in batches], "mean": bn.running_mean.tolist(), "var": bn.running_var.tolist()}


def mixup(smoothing, weights):
    scores = torch.randn(4, 3, requires_grad=True)
    a, b, share = torch.tensor([0, 1, 2, 1]), torch.tensor([1, 2, 2, 0]), 0.7
    ce = torch.nn.CrossEntropyLoss(label_smoothing=smoothing, weight=weights)
    loss = share * ce(scores, a) + (1 - share) * ce(scores, b)
    loss.backward()
    return {"scores": scores.tolist(), "a": a.tolist(), "b": b.tolist(), "share": share, "smoothing": smoothing,
            "weights": None if weights is None else weights.tolist(), "loss": loss.item(), "grad": scores.grad.tolist()}


print(json.dumps({
    "x": X, "start": start.tolist(), "anchor": anchor.tolist(), "grads": [g.tolist() for g in grads], "rates": rates,
    "l2sp": {"sgd": l2sp("sgd"), "adamw": l2sp("adamw")}, "penalty": penalty(),
    "swa": average(None), "ema": average(growing),
    "batchnorm": batchnorm(),
    "mixup": [mixup(0.0, None), mixup(0.1, None), mixup(0.1, torch.tensor([1.0, 2.0, 0.5]))],
}))
