"""Networks of sounds: samples in, as wav2vec 2.0 takes them."""

import torch
from torch import nn
from torch.nn import functional as F

from texts import Namespace, WIDTH
from zoo import Model, seeded
from pictures import Mixer


class ConvLayer(nn.Module):
    def __init__(self, c, kernel, stride, first):
        super().__init__()
        self.conv = nn.Conv1d(c, WIDTH, kernel, stride, bias=False)
        if first:
            self.layer_norm = nn.GroupNorm(WIDTH, WIDTH)
        self.first = first

    def forward(self, x):
        x = self.conv(x)
        return F.gelu(self.layer_norm(x) if self.first else x)


class EncoderLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.layer_norm, self.final_layer_norm = Mixer(), nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.feed_forward = Namespace(intermediate_dense=nn.Linear(WIDTH, 4 * WIDTH), output_dense=nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        x = self.layer_norm(x + self.attention(x, x, x))
        return self.final_layer_norm(x + self.feed_forward.output_dense(F.gelu(self.feed_forward.intermediate_dense(x))))


class Wav2Vec2(nn.Module):
    """The trunk; with scores of characters at every frame, or of classes of the whole."""

    def __init__(self, end):
        super().__init__()
        self.feature_extractor = Namespace(conv_layers=nn.ModuleList(ConvLayer(c, k, s, i == 0) for i, (c, k, s) in enumerate([(1, 10, 5), (WIDTH, 3, 2), (WIDTH, 3, 2), (WIDTH, 2, 2)])))
        self.feature_projection = Namespace(layer_norm=nn.LayerNorm(WIDTH), projection=nn.Linear(WIDTH, WIDTH))
        self.pos_conv_embed = Namespace(conv=nn.utils.weight_norm(nn.Conv1d(WIDTH, WIDTH, 16, padding=8, groups=4), name="weight", dim=2))
        self.encoder = Namespace(layer_norm=nn.LayerNorm(WIDTH), layers=nn.ModuleList(EncoderLayer() for _ in range(4)))
        if end == "ctc":
            self.lm_head = nn.Linear(WIDTH, 30)
        if end == "classes":
            self.projector, self.classifier = nn.Linear(WIDTH, 24), nn.Linear(24, 5)
        self.end = end

    def forward(self, x):
        x = x[:, None]
        for layer in self.feature_extractor.conv_layers:
            x = layer(x)
        p = self.feature_projection
        x = p.projection(p.layer_norm(x.transpose(1, 2)))
        x = x + F.gelu(self.pos_conv_embed.conv(x.transpose(1, 2))[:, :, :-1]).transpose(1, 2)
        x = self.encoder.layer_norm(x)
        for layer in self.encoder.layers:
            x = layer(x)
        if self.end == "ctc":
            return self.lm_head(x)
        if self.end == "classes":
            return self.classifier(self.projector(x).mean(dim=1))
        return x


def models():
    x = torch.randn(2, 1600, generator=torch.Generator().manual_seed(1)) * 0.1

    def model(name, end, outputs, **found):
        return Model(name, "sounds", seeded(Wav2Vec2, end), {"input_values": x}, outputs, axes={"input_values": {1: "samples"}},
                     parts=[f"/layers.{i}/" for i in range(4)], blocks=(6, 12), **found)

    return [
        model("wav2vec2-trunk", "", ["last_hidden_state"], gives="last_hidden_state"),
        model("wav2vec2-ctc", "ctc", ["logits"], reads="/lm_head/"),
        model("wav2vec2-classifier", "classes", ["logits"], reads="/classifier/"),
    ]
