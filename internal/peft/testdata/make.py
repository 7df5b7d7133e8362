"""Makes the test data: two small networks as ONNX files, adapters of LoRA for them in the layout of the
package peft, and what PyTorch computes with them. Needs torch and onnx, no peft: the layout is that of
its documentation (LoraConfig, and the checkpoint format page).

    python3 make.py FOLDER
"""
import json
import math
import os
import struct
import sys

import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(1, 2) / math.sqrt(x.shape[-1])
        return self.out(scores.softmax(-1) @ self.value(x))


class Layer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attention = Attention(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        x = x + self.attention(x)
        return x + self.down(torch.tanh(self.up(x)))


class Encoder(nn.Module):
    def __init__(self, width, layers):
        super().__init__()
        self.layer = nn.ModuleList(Layer(width) for _ in range(layers))

    def forward(self, x):
        for l in self.layer:
            x = l(x)
        return x


class Sequences(nn.Module):
    """Its linear layers read sequences, so exporters make MatMul of them, with names of their own."""

    def __init__(self):
        super().__init__()
        self.encoder = Encoder(8, 2)
        self.classifier = nn.Linear(8, 3)

    def forward(self, x):
        return self.classifier(self.encoder(x).mean(1))


class Pictures(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(torch.relu(self.conv2(torch.relu(self.conv1(x)))).mean((2, 3)))


class LoRA(nn.Module):
    """What peft's layers compute: the layer itself, plus scale times B(A(x))."""

    def __init__(self, base, rank, scale):
        super().__init__()
        self.base, self.scale = base, scale
        if isinstance(base, nn.Conv2d):
            self.a = nn.Conv2d(base.in_channels, rank, base.kernel_size, base.stride, base.padding, bias=False)
            self.b = nn.Conv2d(rank, base.out_channels, 1, bias=False)
        else:
            self.a, self.b = nn.Linear(base.in_features, rank, bias=False), nn.Linear(rank, base.out_features, bias=False)

    def forward(self, x):
        return self.base(x) + self.scale * self.b(self.a(x))


def save(path, tensors):
    """Writes the safetensors format."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(tensors):
        t = tensors[name].detach().contiguous().numpy()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + t.nbytes]}
        data += t.tobytes()
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def parent(model, path):
    *way, last = path.split(".")
    for p in way:
        model = getattr(model, p)
    return model, last


def adapt(folder, model, x, modules, config, prefix="base_model.model."):
    """Adds pairs beside modules, writes them as an adapter, and returns the model's scores."""
    tensors = {}
    for i, path in enumerate(modules):
        holder, last = parent(model, path)
        rank = next((r for k, r in config["rank_pattern"].items() if path.endswith(k)), config["r"])
        alpha = next((a for k, a in config["alpha_pattern"].items() if path.endswith(k)), config["lora_alpha"])
        pair = LoRA(getattr(holder, last), rank, alpha / math.sqrt(rank) if config["use_rslora"] else alpha / rank)
        for p in (pair.a.weight, pair.b.weight):
            nn.init.normal_(p, std=0.4)
        setattr(holder, last, pair)
        tensors[prefix + path + ".lora_A.weight"], tensors[prefix + path + ".lora_B.weight"] = pair.a.weight, pair.b.weight
        if config["bias"] == "lora_only" and pair.base.bias is not None:
            nn.init.normal_(pair.base.bias)
            tensors[prefix + path + ".bias"] = pair.base.bias
    for path in config["modules_to_save"] or []:
        for name, p in getattr(model, path).named_parameters():
            nn.init.normal_(p)
            tensors[prefix + path + "." + name] = p
    os.makedirs(folder, exist_ok=True)
    save(os.path.join(folder, "adapter_model.safetensors"), tensors)
    with open(os.path.join(folder, "adapter_config.json"), "w") as f:
        json.dump(config, f, indent=2)
    with torch.no_grad():
        return model(x).flatten().tolist()


def config(**given):
    """adapter_config.json as peft 0.14 writes it."""
    c = dict(
        alpha_pattern={}, auto_mapping=None, base_model_name_or_path="some/base", bias="none", eva_config=None, exclude_modules=None,
        fan_in_fan_out=False, inference_mode=True, init_lora_weights=True, layer_replication=None, layers_pattern=None,
        layers_to_transform=None, loftq_config={}, lora_alpha=8, lora_bias=False, lora_dropout=0.05, megatron_config=None,
        megatron_core="megatron.core", modules_to_save=None, peft_type="LORA", r=8, rank_pattern={}, revision=None,
        target_modules=["query", "value"], task_type="SEQ_CLS", use_dora=False, use_rslora=False)
    return {**c, **given}


def main(out):
    torch.manual_seed(1)
    cases = {}
    x, y = torch.randn(2, 4, 8), torch.randn(2, 3, 8, 8)
    for name, cls, inputs, adapters in (
        ("sequences", Sequences, x, {
            "plain": (["encoder.layer.0.attention.query", "encoder.layer.1.attention.query", "encoder.layer.0.attention.value"],
                      config(r=2, lora_alpha=6), "base_model.model."),
            "patterns": (["encoder.layer.0.attention.out", "encoder.layer.0.up", "encoder.layer.1.down", "encoder.layer.1.up"],
                         config(r=2, lora_alpha=3, use_rslora=True, rank_pattern={"down": 3}, alpha_pattern={"layer.1.up": 9},
                                bias="lora_only", modules_to_save=["classifier"]), "base_model.model."),
            # as of a model in which this one is a part
            "longer": (["encoder.layer.0.attention.key"], config(r=1, lora_alpha=2), "base_model.model.bert."),
        }),
        ("pictures", Pictures, y, {
            "convolutions": (["conv1", "conv2"], config(r=2, lora_alpha=4), "base_model.model."),
        }),
    ):
        model = cls().eval()
        state = {k: v.clone() for k, v in model.state_dict().items()}
        torch.onnx.export(model, inputs, os.path.join(out, name + ".onnx"), input_names=["x"], output_names=["scores"],
                          dynamic_axes={"x": {0: "batch"}}, opset_version=14)
        cases[name] = {"input": inputs.flatten().tolist(), "shape": list(inputs.shape), "scores": {}}
        with torch.no_grad():
            cases[name]["scores"]["none"] = model(inputs).flatten().tolist()
        for key, (modules, c, prefix) in adapters.items():
            model = cls().eval()
            model.load_state_dict(state)
            cases[name]["scores"][key] = adapt(os.path.join(out, key), model, inputs, modules, c, prefix)
    with open(os.path.join(out, "cases.json"), "w") as f:
        json.dump(cases, f)


main(sys.argv[1])
