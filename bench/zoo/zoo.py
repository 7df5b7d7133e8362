"""What the models of the zoo have in common: a description of each, with what must be found in it."""

from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass
class Model:
    """One architecture with random weights, and what Permafrost must find in its files."""

    name: str
    kind: str  # of its data: pictures, texts, sounds
    module: nn.Module
    inputs: dict  # name: example tensor
    outputs: list  # names
    axes: dict = field(default_factory=dict)  # open axes behind the batch: {input: {axis: name}}
    reads: str = ""  # the head reads what this node path reads first; "" for an output
    gives: str = ""  # the head reads what this node path gives last, or this output
    parts: list = field(default_factory=list)  # node paths of which no block may hold two
    blocks: tuple = (2, 40)  # least and most
    layout: str = "first"  # or last: where the channels of pictures are
    size: int = 32  # pixels of a picture, where its input leaves them open
    refused: dict = field(default_factory=dict)  # words of the refusal of a variant that cannot be tuned


def seeded(make, *args, **kwargs):
    """Make a module with fixed random weights, its norms and last layer away from where they begin."""
    torch.manual_seed(7)
    m = make(*args, **kwargs).eval()
    with torch.no_grad():
        for part in m.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.running_mean.normal_(0, 0.1)
                part.running_var.uniform_(0.5, 1.5)
            if isinstance(part, nn.Linear) and not part.weight.any():
                part.weight.normal_(0, 0.1)
            if getattr(part, "elementwise_affine", False) or isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.weight.uniform_(0.7, 1.3)
                part.bias.normal_(0, 0.1)
    return m
