"""The networks that the parity scripts export and train: torchvision's by name, and a few small ones.

Every network is built with random weights from a seed, and named as on the command line:
resnet18, vit_b_16, ... (any classification network of torchvision), tiny_cnn, tiny_vit, and of sequences bert and
decoder, small ones; encoder, llama, lstm_tagger and wav2vec2, of the sizes that people use.
"""

import math

import torch
import torchvision
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Multi-head attention written out, as Hugging Face's models are: four Linear layers."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).permute(0, 2, 1, 3)

    def forward(self, x, mask=None):
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores + mask
        y = (scores.softmax(-1) @ v).permute(0, 2, 1, 3).reshape(x.shape)
        return self.output(y)


class Block(nn.Module):
    """One transformer layer, norm first or (as BERT has it) last."""

    def __init__(self, width, heads, norm_first=True):
        super().__init__()
        self.norm_first = norm_first
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def mlp(self, x):
        return self.fc2(F.gelu(self.fc1(x)))

    def forward(self, x, mask=None):
        if self.norm_first:
            x = x + self.attention(self.norm1(x), mask)
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x, mask))
        return self.norm2(x + self.mlp(x))


class TinyViT(nn.Module):
    """A vision transformer of four layers: patches of 8 pixels, width 64, a class token."""

    def __init__(self, classes=10, size=64, patch=8, width=64, depth=4, heads=4):
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.cls = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos = nn.Parameter(torch.randn(1, (size // patch) ** 2 + 1, width) * 0.02)
        self.layers = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, image):
        x = self.patch(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.pos
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x)[:, 0])


class TinyCNN(nn.Module):
    """Two convolutions with batch norm, a depthwise one, and a head: the smallest net with every sort of layer."""

    def __init__(self, classes=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3, 2, 1, groups=8, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
            nn.Conv2d(8, 16, 1), nn.SiLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(16, classes)

    def forward(self, image):
        return self.head(self.features(image).flatten(1))


class Bert(nn.Module):
    """An encoder of BERT's shape: token, position and segment embeddings, layers with the norm last, a pooler."""

    def __init__(self, classes=6, vocab=512, width=64, depth=3, heads=4, longest=64):
        super().__init__()
        self.word = nn.Embedding(vocab, width)
        self.position = nn.Embedding(longest, width)
        self.segment = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Block(width, heads, norm_first=False) for _ in range(depth))
        self.pooler = nn.Linear(width, width)
        self.classifier = nn.Linear(width, classes)
        self.register_buffer("positions", torch.arange(longest)[None])

    def forward(self, input_ids, attention_mask):
        x = self.word(input_ids) + self.position(self.positions[:, : input_ids.shape[1]])
        x = self.norm(x + self.segment(torch.zeros_like(input_ids)))
        mask = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * -10000.0
        for layer in self.layers:
            x = layer(x, mask)
        return self.classifier(torch.tanh(self.pooler(x[:, 0]))), x


class Decoder(nn.Module):
    """A causal language model of GPT-2's shape with a tied embedding."""

    def __init__(self, vocab=256, width=64, depth=3, heads=4, longest=64):
        super().__init__()
        self.token = nn.Embedding(vocab, width)
        self.position = nn.Embedding(longest, width)
        self.layers = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.register_buffer("positions", torch.arange(longest)[None])
        self.register_buffer("causal", torch.full((1, 1, longest, longest), -10000.0).triu(1))

    def forward(self, input_ids):
        t = input_ids.shape[1]
        x = self.token(input_ids) + self.position(self.positions[:, :t])
        for layer in self.layers:
            x = layer(x, self.causal[:, :, :t, :t])
        return self.norm(x) @ self.token.weight.t()


class Encoder(Bert):
    """Bert with six layers of width 384."""

    def __init__(self, classes=6):
        super().__init__(classes, vocab=8192, width=384, depth=6, heads=6, longest=512)


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5))


class LlamaBlock(nn.Module):
    """Attention whose queries share keys and values in groups, at rotated positions, and a gated MLP."""

    def __init__(self, width, heads, shared, hidden):
        super().__init__()
        self.heads, self.shared, self.size = heads, shared, width // heads
        self.norm1, self.norm2 = RMSNorm(width), RMSNorm(width)
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, shared * self.size, bias=False)
        self.v = nn.Linear(width, shared * self.size, bias=False)
        self.o = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def rotate(self, x, cos, sin):
        half = self.size // 2
        return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin

    def repeat(self, x):
        n, h, t, d = x.shape
        groups = self.heads // self.shared
        return x[:, :, None].expand(n, h, groups, t, d).reshape(n, h * groups, t, d)

    def forward(self, x, cos, sin, mask):
        n, t, width = x.shape
        y = self.norm1(x)
        q = self.q(y).view(n, t, self.heads, self.size).transpose(1, 2)
        k = self.k(y).view(n, t, self.shared, self.size).transpose(1, 2)
        v = self.v(y).view(n, t, self.shared, self.size).transpose(1, 2)
        q, k = self.rotate(q, cos, sin), self.repeat(self.rotate(k, cos, sin))
        a = (q @ k.transpose(2, 3) / math.sqrt(self.size) + mask).softmax(-1)
        x = x + self.o((a @ self.repeat(v)).transpose(1, 2).reshape(n, t, width))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    """A causal language model of Llama's shape: six layers, grouped-query attention, rotary positions, SwiGLU."""

    def __init__(self, vocab=4096, width=256, depth=6, heads=8, shared=2, hidden=688, longest=512):
        super().__init__()
        self.token = nn.Embedding(vocab, width)
        self.layers = nn.ModuleList(LlamaBlock(width, heads, shared, hidden) for _ in range(depth))
        self.norm = RMSNorm(width)
        self.lm_head = nn.Linear(width, vocab, bias=False)
        size = width // heads
        angles = torch.arange(longest)[:, None] / 10000 ** (torch.arange(0, size, 2) / size)
        self.register_buffer("cos", angles.cos().repeat(1, 2))
        self.register_buffer("sin", angles.sin().repeat(1, 2))
        self.register_buffer("causal", torch.full((1, 1, longest, longest), -10000.0).triu(1))

    def forward(self, input_ids):
        t = input_ids.shape[1]
        x = self.token(input_ids)
        for layer in self.layers:
            x = layer(x, self.cos[:t], self.sin[:t], self.causal[:, :, :t, :t])
        return self.lm_head(self.norm(x))


class LSTMTagger(nn.Module):
    """Embedding, two bidirectional LSTM layers, one label per token."""

    def __init__(self, vocab=4096, width=128, hidden=256, classes=12):
        super().__init__()
        self.embed = nn.Embedding(vocab, width)
        self.lstm = nn.LSTM(width, hidden, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, input_ids):
        return self.head(self.lstm(self.embed(input_ids))[0])


class Wav2Vec2(nn.Module):
    """wav2vec 2.0's shape: seven strided 1-D convolutions, a group norm behind the first and layer norms behind the
    others, a grouped positional convolution, four encoder layers."""

    KERNELS = [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]

    def __init__(self, channels=256, width=256, depth=4, heads=4, letters=32):
        super().__init__()
        self.conv = nn.ModuleList(
            nn.Conv1d(channels if i else 1, channels, k, s, bias=False) for i, (k, s) in enumerate(self.KERNELS))
        self.conv_norm = nn.ModuleList(
            nn.LayerNorm(channels) if i else nn.GroupNorm(channels, channels) for i in range(len(self.KERNELS)))
        self.norm = nn.LayerNorm(channels)
        self.project = nn.Linear(channels, width)
        self.pos = nn.Conv1d(width, width, 128, padding=64, groups=16)
        self.layers = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.out_norm = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, letters)

    def forward(self, samples):
        x = samples[:, None]
        for i, (conv, norm) in enumerate(zip(self.conv, self.conv_norm)):
            x = conv(x)
            x = F.gelu(norm(x.transpose(1, 2)).transpose(1, 2) if i else norm(x))
        x = self.project(self.norm(x.transpose(1, 2)))
        p = self.pos(x.transpose(1, 2))[:, :, :-1]
        x = x + F.gelu(p).transpose(1, 2)
        for layer in self.layers:
            x = layer(x)
        return self.lm_head(self.out_norm(x))


OWN = {"tiny_cnn": TinyCNN, "tiny_vit": TinyViT, "bert": Bert, "decoder": Decoder, "encoder": Encoder, "llama": Llama,
       "lstm_tagger": LSTMTagger, "wav2vec2": Wav2Vec2}
VOCABULARY = {"bert": 512, "decoder": 256, "encoder": 8192, "llama": 4096, "lstm_tagger": 4096}


def classifiers():
    """The names of torchvision's classification networks."""
    return torchvision.models.list_models(module=torchvision.models)


def settle(net, args):
    """Make a fresh network look like a trained one.

    Fresh biases and norms are all alike, and the exporter merges equal tensors into one: every weight gets a
    little noise. Batch norm then takes its running statistics from args, as otherwise a deep random network's
    values vanish or grow without bound.
    """
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.02 * torch.randn_like(p))
        norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        for m in norms:
            m.momentum = 1.0
        if norms:
            net.eval()
            for m in norms:
                m.train()
            net(*args)
        for m in norms:
            m.momentum = 0.1
    return net.eval()


def build(name, classes=None, size=None, seed=0):
    """The network called name with random, settled weights from seed; classes and size where it has them."""
    net = fresh(name, classes, size, seed)
    return settle(net, inputs(name, size or 224, batch=4)[0])


def fresh(name, classes=None, size=None, seed=0):
    """The network as PyTorch initialises it."""
    torch.manual_seed(seed)
    if name in OWN:
        kw = {}
        if classes and name not in ("decoder", "llama", "wav2vec2"):
            kw["classes"] = classes
        if size and name == "tiny_vit":
            kw["size"] = size
        return OWN[name](**kw)
    kw = {"num_classes": classes} if classes else {}
    if name in ("googlenet", "inception_v3"):
        kw |= {"init_weights": False, "aux_logits": False}
    if name.startswith("vit_") and size:
        kw["image_size"] = size
    return torchvision.models.get_model(name, weights=None, **kw)


def inputs(name, size=224, batch=2, seed=1, length=None):
    """Random inputs: (arguments, their names, output names, dynamic axes). Length is that of sequences, in tokens or
    samples."""
    g = torch.Generator().manual_seed(seed)
    bt = {0: "batch", 1: "tokens"}
    if name in VOCABULARY:
        length = length or 16
        ids = torch.randint(0, VOCABULARY[name], (batch, length), generator=g)
    if name in ("bert", "encoder"):
        mask = torch.ones_like(ids)
        mask[-1, length * 11 // 16 :] = 0
        return (ids, mask), ["input_ids", "attention_mask"], ["logits", "last_hidden_state"], {
            "input_ids": bt, "attention_mask": bt, "logits": {0: "batch"}, "last_hidden_state": bt}
    if name in VOCABULARY:
        return (ids,), ["input_ids"], ["logits"], {"input_ids": bt, "logits": bt}
    if name == "wav2vec2":
        return (torch.randn(batch, length or 4000, generator=g),), ["samples"], ["logits"], {
            "samples": {0: "batch", 1: "length"}, "logits": {0: "batch", 1: "frames"}}
    return (torch.randn(batch, 3, size, size, generator=g),), ["image"], ["logits"], {"image": {0: "batch"}, "logits": {0: "batch"}}
