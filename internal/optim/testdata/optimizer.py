"""Writes optimizer.json: what torch.optim does to two small parameters, float32.

The second parameter joins after 4 of 10 steps. The rate follows a fixed list.
Run: python3 optimizer.py > optimizer.json
"""
import json
import torch

torch.manual_seed(1)
STEPS, JOIN, N = 10, 4, 7
start = [torch.randn(N), torch.randn(N)]
grads = [[torch.randn(N) * 10 ** (i - 1) for i in range(2)] for _ in range(STEPS)]
rates = [0.02 * (1 - t / 20) for t in range(STEPS)]

SGD, ADAMW = torch.optim.SGD, torch.optim.AdamW
CASES = {
    "sgd": (SGD, {}),
    "sgd decay": (SGD, {"weight_decay": 0.1}),
    "sgd momentum": (SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    "sgd nesterov": (SGD, {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    "adamw": (ADAMW, {"weight_decay": 0.0}),
    "adamw decay": (ADAMW, {"weight_decay": 0.1}),
}


def fit(cls, args):
    params = [torch.nn.Parameter(s.clone()) for s in start]
    opt = cls(params[:1], lr=1, **args)
    after = []
    for t in range(STEPS):
        if t == JOIN:
            opt.add_param_group({"params": params[1:]})
        for i, group in enumerate(opt.param_groups):
            group["lr"] = rates[t] * (1 if i == 0 else 0.5)
            params[i].grad = grads[t][i].clone()
        opt.step()
        after.append([p.tolist() for p in params])
    return {"args": args, "after": after}


def clip(limit):
    g = [torch.nn.Parameter(torch.zeros(N)) for _ in range(2)]
    for p, x in zip(g, grads[0]):
        p.grad = x.clone()
    norm = torch.nn.utils.clip_grad_norm_(g, limit)
    return {"limit": limit, "norm": norm.item(), "grads": [p.grad.tolist() for p in g]}


print(json.dumps({
    "join": JOIN,
    "rates": rates,
    "start": [s.tolist() for s in start],
    "grads": [[g.tolist() for g in gs] for gs in grads],
    "cases": {name: fit(*c) for name, c in CASES.items()},
    "clip": [clip(0.5), clip(100.0)],
}))
