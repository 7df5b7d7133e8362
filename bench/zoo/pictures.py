"""Networks of pictures: torchvision's own where they can be made narrow, else by the names that torchvision and Hugging Face use."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import convnext, densenet, efficientnet, mobilenetv2, mobilenetv3, regnet, swin_transformer, vision_transformer

from texts import Namespace, WIDTH
from zoo import Model, seeded

CLASSES = 7


class BasicBlock(nn.Module):
    def __init__(self, c, k, stride):
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(c, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k), nn.ReLU(inplace=True)
        self.conv2, self.bn2 = nn.Conv2d(k, k, 3, 1, 1, bias=False), nn.BatchNorm2d(k)
        self.downsample = None
        if stride != 1 or c != k:
            self.downsample = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))) + shortcut)


class Bottleneck(nn.Module):
    def __init__(self, c, k, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, k // 4, 1, bias=False), nn.BatchNorm2d(k // 4)
        self.conv2, self.bn2 = nn.Conv2d(k // 4, k // 4, 3, stride, 1, bias=False), nn.BatchNorm2d(k // 4)
        self.conv3, self.bn3, self.relu = nn.Conv2d(k // 4, k, 1, bias=False), nn.BatchNorm2d(k), nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or c != k:
            self.downsample = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y))))) + shortcut)


class ResNet(nn.Module):
    def __init__(self, block=BasicBlock, widths=(8, 16, 32, 64), classes=CLASSES):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        c = 8
        for i, k in enumerate(widths):
            setattr(self, f"layer{i + 1}", nn.Sequential(block(c, k, 1 if i == 0 else 2), block(k, k, 1)))
            c = k
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        if classes:
            self.fc = nn.Linear(c, classes)
        self.classes = classes

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1)) if self.classes else x


def residual_parts():
    return [f"/layer{i}/layer{i}.{k}/" for i in range(1, 5) for k in range(2)]


class Fire(nn.Module):
    def __init__(self, c, squeeze, expand):
        super().__init__()
        self.squeeze, self.expand1x1, self.expand3x3 = nn.Conv2d(c, squeeze, 1), nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(16, 4, 16), Fire(32, 4, 16),
            nn.MaxPool2d(3, 2, ceil_mode=True), Fire(32, 8, 24), Fire(48, 8, 24), Fire(48, 8, 32), Fire(64, 8, 32),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(64, CLASSES, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1))

    def forward(self, x):
        return torch.flatten(self.classifier(self.features(x)), 1)


class VGG(nn.Module):
    def __init__(self, norm):
        super().__init__()
        layers, c = [], 3
        for k in (8, "M", 16, "M", 24, 24, "M", 32, 32, "M"):
            if k == "M":
                layers.append(nn.MaxPool2d(2, 2))
                continue
            layers += [nn.Conv2d(c, k, 3, padding=1)] + ([nn.BatchNorm2d(k)] if norm else []) + [nn.ReLU(inplace=True)]
            c = k
        self.features, self.avgpool = nn.Sequential(*layers), nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(nn.Linear(128, 128), nn.ReLU(True), nn.Dropout(), nn.Linear(128, 64), nn.ReLU(True), nn.Dropout(), nn.Linear(64, CLASSES))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class BasicConv2d(nn.Module):
    def __init__(self, c, k, **kwargs):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(c, k, bias=False, **kwargs), nn.BatchNorm2d(k, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    def __init__(self, c, k):
        super().__init__()
        self.branch1 = BasicConv2d(c, k, kernel_size=1)
        self.branch2 = nn.Sequential(BasicConv2d(c, k, kernel_size=1), BasicConv2d(k, k, kernel_size=3, padding=1))
        self.branch3 = nn.Sequential(BasicConv2d(c, k, kernel_size=1), BasicConv2d(k, k, kernel_size=3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), BasicConv2d(c, k, kernel_size=1))

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv, self.fc1, self.fc2 = BasicConv2d(c, 16, kernel_size=1), nn.Linear(64, 96), nn.Linear(96, CLASSES)

    def forward(self, x):
        x = torch.flatten(self.conv(F.adaptive_avg_pool2d(x, 2)), 1)
        return self.fc2(F.relu(self.fc1(x), inplace=True))


class GoogLeNet(nn.Module):
    """With the auxiliary classifier of training as a second output, wider than the main one."""

    def __init__(self):
        super().__init__()
        self.conv1, self.maxpool1 = BasicConv2d(3, 16, kernel_size=7, stride=2, padding=3), nn.MaxPool2d(3, 2, ceil_mode=True)
        for i, c in enumerate((16, 32, 32, 48, 48, 64)):
            setattr(self, f"inception{i}", Inception(c, (32, 32, 48, 48, 64, 64)[i] // 4))
        self.aux, self.fc = InceptionAux(32), nn.Linear(64, CLASSES)

    def forward(self, x):
        x = self.inception1(self.inception0(self.maxpool1(self.conv1(x))))
        aux = self.aux(x)
        for i in range(2, 6):
            x = getattr(self, f"inception{i}")(x)
        return aux, self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Lookup(nn.Module):
    """Learned vectors, the same for every example."""

    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n, WIDTH))


class Mixer(nn.Module):
    """Attention between two sequences, with the projections of nn.MultiheadAttention apart."""

    def __init__(self):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, q, k, v):
        heads = lambda x: x.view(x.size(0), x.size(1), 4, WIDTH // 4).transpose(1, 2)
        w = torch.softmax(torch.matmul(heads(self.q_proj(q)), heads(self.k_proj(k)).transpose(2, 3)) * (WIDTH // 4) ** -0.5, -1)
        x = torch.matmul(w, heads(self.v_proj(v))).transpose(1, 2)
        return self.out_proj(x.reshape(x.size(0), -1, WIDTH))


class DetrLayer(nn.Module):
    def __init__(self, decodes):
        super().__init__()
        self.self_attn, self.self_attn_layer_norm = Mixer(), nn.LayerNorm(WIDTH)
        if decodes:
            self.encoder_attn, self.encoder_attn_layer_norm = Mixer(), nn.LayerNorm(WIDTH)
        self.fc1, self.fc2, self.final_layer_norm = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x, place, memory=None, memory_place=None):
        x = self.self_attn_layer_norm(x + self.self_attn(x + place, x + place, x))
        if memory is not None:
            x = self.encoder_attn_layer_norm(x + self.encoder_attn(x + place, memory + memory_place, memory))
        return self.final_layer_norm(x + self.fc2(F.relu(self.fc1(x))))


class BoxHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 4)])

    def forward(self, x):
        return self.layers[2](F.relu(self.layers[1](F.relu(self.layers[0](x)))))


class DetrEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(DetrLayer(False) for _ in range(3))

    def forward(self, x, place):
        for layer in self.layers:
            x = layer(x, place)
        return x


class DetrDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers, self.layernorm = nn.ModuleList(DetrLayer(True) for _ in range(3)), nn.LayerNorm(WIDTH)

    def forward(self, query, memory, place):
        x = torch.zeros_like(query)
        for layer in self.layers:
            x = layer(x, query, memory, place)
        return self.layernorm(x)


class Detr(nn.Module):
    def __init__(self, side=2):
        super().__init__()
        self.backbone, self.input_projection = ResNet(classes=0), nn.Conv2d(64, WIDTH, 1)
        self.places, self.query_position_embeddings = Lookup(side * side), Lookup(10)
        self.encoder, self.decoder = DetrEncoder(), DetrDecoder()
        self.class_labels_classifier, self.bbox_predictor = nn.Linear(WIDTH, 12), BoxHead()

    def forward(self, x):
        x = self.input_projection(self.backbone(x)).flatten(2).permute(0, 2, 1)
        place = self.places.weight[None]
        x = self.encoder(x, place)
        y = self.decoder(self.query_position_embeddings.weight[None].repeat(x.size(0), 1, 1), x, place)
        return self.class_labels_classifier(y), torch.sigmoid(self.bbox_predictor(y))


class ViTEmbeddings(nn.Module):
    def __init__(self, side):
        super().__init__()
        self.cls_token, self.position_embeddings = nn.Parameter(torch.randn(1, 1, WIDTH)), nn.Parameter(torch.randn(1, side * side + 1, WIDTH) * 0.1)
        self.patch_embeddings = Namespace(projection=nn.Conv2d(3, WIDTH, 8, 8))

    def forward(self, x):
        x = self.patch_embeddings.projection(x).flatten(2).transpose(1, 2)
        return torch.cat((self.cls_token.expand(x.size(0), -1, -1), x), 1) + self.position_embeddings


class ViTLayer(nn.Module):
    """Norms come first, unlike BERT's."""

    def __init__(self):
        super().__init__()
        self.attention, self.output_dense, self.intermediate = Mixer(), nn.Linear(4 * WIDTH, WIDTH), nn.Linear(WIDTH, 4 * WIDTH)
        self.layernorm_before, self.layernorm_after = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x):
        y = self.layernorm_before(x)
        x = self.attention(y, y, y) + x
        return self.output_dense(F.gelu(self.intermediate(self.layernorm_after(x)))) + x


class ViTForImageClassification(nn.Module):
    def __init__(self, side=4):
        super().__init__()
        self.vit = Namespace(embeddings=ViTEmbeddings(side), encoder=Namespace(layer=nn.ModuleList(ViTLayer() for _ in range(4))), layernorm=nn.LayerNorm(WIDTH))
        self.classifier = nn.Linear(WIDTH, CLASSES)

    def forward(self, x):
        x = self.vit.embeddings(x)
        for layer in self.vit.encoder.layer:
            x = layer(x)
        return self.classifier(self.vit.layernorm(x)[:, 0, :])


def efficient():
    conf = partial(efficientnet.MBConvConfig, width_mult=0.5, depth_mult=1.0)
    settings = [conf(1, 3, 1, 32, 16, 1), conf(6, 3, 2, 16, 24, 2), conf(6, 5, 2, 24, 40, 2), conf(6, 5, 2, 40, 80, 2)]
    return efficientnet.EfficientNet(settings, 0.2, num_classes=CLASSES, last_channel=256)


def mobile3(kind):
    conf = partial(mobilenetv3.InvertedResidualConfig, width_mult=0.5)
    settings = [
        conf(16, 3, 16, 16, True, "RE", 2, 1), conf(16, 3, 72, 24, False, "RE", 2, 1), conf(24, 3, 88, 24, False, "RE", 1, 1),
        conf(24, 5, 96, 40, True, "HS", 2, 1), conf(40, 5, 240, 40, True, "HS", 1, 1), conf(40, 5, 120, 48, True, "HS", 1, 1),
    ]
    return kind(settings, 128, num_classes=CLASSES)


def models():
    def model(name, module, outputs=("logits",), size=32, **found):
        x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
        return Model(name, "pictures", module, {"pixel_values": x}, list(outputs), size=size, **found)

    swin = partial(swin_transformer.SwinTransformer, patch_size=[4, 4], embed_dim=16, depths=[2, 2, 2], num_heads=[2, 4, 4], window_size=[4, 4], num_classes=CLASSES)
    block = convnext.CNBlockConfig
    conv = partial(convnext.ConvNeXt, [block(16, 32, 2), block(32, 64, 2), block(64, None, 2)], num_classes=CLASSES)
    vit = partial(vision_transformer.VisionTransformer, image_size=32, patch_size=8, num_layers=4, num_heads=4, hidden_dim=WIDTH, mlp_dim=4 * WIDTH, num_classes=CLASSES)
    reg = partial(regnet.RegNet, regnet.BlockParams.from_init_params(depth=8, w_0=16, w_a=8.0, w_m=2.0, group_width=8, se_ratio=0.25), num_classes=CLASSES)
    dense = partial(densenet.DenseNet, growth_rate=8, block_config=(2, 3, 3), num_init_features=16, num_classes=CLASSES)
    wide = {"axes": {"pixel_values": {2: "height", 3: "width"}}}
    return [
        model("resnet", seeded(ResNet), reads="/fc/", parts=residual_parts(), blocks=(9, 10), size=64, **wide),
        model("resnet-bottleneck", seeded(ResNet, Bottleneck, (32, 48, 64, 96)), reads="/fc/", parts=residual_parts(), blocks=(9, 10), size=64, **wide),
        model("resnet-trunk", seeded(ResNet, classes=0), outputs=["feature_map"], gives="feature_map", parts=residual_parts(), blocks=(9, 10), size=64),
        model("mobilenet-v2", seeded(mobilenetv2.MobileNetV2, CLASSES, 0.25), reads="/classifier/classifier.1/", parts=[f"/features/features.{i}/" for i in range(1, 18)], blocks=(15, 20), **wide),
        model("mobilenet-v3", seeded(mobile3, mobilenetv3.MobileNetV3), reads="/classifier/classifier.3/", parts=[f"/features/features.{i}/" for i in range(2, 7)], blocks=(6, 10), **wide),
        model("efficientnet", seeded(efficient), reads="/classifier/classifier.1/", parts=[f"/features/features.{i}/" for i in range(1, 5)], blocks=(7, 10), **wide),
        model("regnet", seeded(reg), reads="/fc/", parts=[f"/trunk_output/block{i}/" for i in range(1, 4)], blocks=(5, 12), **wide),
        model("densenet", seeded(dense), reads="/classifier/", parts=[f"/features/denseblock{i}/" for i in range(1, 4)], blocks=(3, 12), **wide),
        model("squeezenet", seeded(SqueezeNet), reads="/classifier/classifier.1/", parts=[f"/features/features.{i}/" for i in (3, 4, 6, 7, 8, 9)], blocks=(6, 14), **wide),
        model("vgg", seeded(VGG, False), reads="/classifier/classifier.6/", blocks=(5, 9)),
        model("vgg-norm", seeded(VGG, True), reads="/classifier/classifier.6/", blocks=(5, 9)),
        model("googlenet-auxiliary", seeded(GoogLeNet), outputs=["aux", "logits"], reads="/fc/", parts=[f"/inception{i}/" for i in range(6)], blocks=(5, 12)),
        model("vit", seeded(ViTForImageClassification), reads="/classifier/", parts=[f"/layer.{i}/" for i in range(4)], blocks=(5, 5)),
        model("vit-torchvision", seeded(vit), reads="/heads/head/", parts=[f"/encoder/layers/encoder_layer_{i}/" for i in range(4)], blocks=(5, 5)),
        model("swin", seeded(swin), reads="/head/", parts=[f"/features/features.{i}/features.{i}.{k}/" for i in (1, 3, 5) for k in range(2)], blocks=(7, 9)),
        model("convnext", seeded(conv), reads="/classifier/classifier.2/", parts=[f"/features/features.{i}/features.{i}.{k}/" for i in (1, 3, 5) for k in range(2)], blocks=(7, 9)),
        model("detr", seeded(Detr), outputs=["logits", "pred_boxes"], reads="/class_labels_classifier/", parts=residual_parts() + [f"/{side}/layers.{i}/" for side in ("encoder", "decoder") for i in range(3)], blocks=(14, 22), size=64),
    ]
