"""Networks as other exporters write them, built node by node: tf2onnx (Keras), paddle2onnx."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from zoo import Model

CLASSES = 7


class Graph:
    """Nodes and weights of a model, with names chosen by a function of the operator."""

    def __init__(self, seed=5):
        self.r, self.nodes, self.weights, self.count = np.random.default_rng(seed), [], {}, {}

    def weight(self, name, *shape, scale=None, at=0.0):
        fan = np.prod(shape[1:]) if len(shape) > 1 else 1
        x = self.r.normal(at, scale if scale is not None else (2 / max(fan, 1)) ** 0.5 if len(shape) > 1 else 0.1, shape)
        return self.constant(name, x.astype(np.float32))

    def constant(self, name, x):
        self.weights[name] = np.asarray(x)
        return name

    def node(self, op, name, out, *inputs, **attrs):
        self.nodes.append(helper.make_node(op, list(inputs), [out], name=name, **attrs))
        return out

    def number(self, key):
        n = self.count.get(key, 0)
        self.count[key] = n + 1
        return n

    def model(self, producer, opset, inputs, outputs):
        infos = lambda vs: [helper.make_tensor_value_info(n, t, s) for n, t, s in vs]
        g = helper.make_graph(self.nodes, producer, infos(inputs), infos(outputs), [numpy_helper.from_array(x, n) for n, x in self.weights.items()])
        m = helper.make_model(g, producer_name=producer, opset_imports=[helper.make_opsetid("", opset)])
        m.ir_version = 7
        return m


class Keras(Graph):
    """tf2onnx's forms: channels last at the borders, channels first within, names of TensorFlow's scopes."""

    def __init__(self, scope="StatefulPartitionedCall/model", norm="folded", pairs=False):
        super().__init__()
        self.scope, self.norm, self.pairs = scope, norm, pairs

    def layer(self, kind):
        n = self.number(kind)
        return f"{self.scope}/{kind}" + (f"_{n}" if n else "")

    def nchw(self, x, base):
        return self.node("Transpose", f"{base}__{100 + len(self.nodes)}", f"{base}__{100 + len(self.nodes)}:0", x, perm=[0, 3, 1, 2])

    def nhwc(self, x, base):
        return self.node("Transpose", f"{base}__{100 + len(self.nodes)}", f"{base}__{100 + len(self.nodes)}:0", x, perm=[0, 2, 3, 1])

    def conv(self, x, c, k, kernel=3, stride=1, act="Relu", depthwise=False):
        """A convolution with its norm; where pairs stand, it is given and gives channels last."""
        base = self.layer("depthwise_conv2d" if depthwise else "conv2d")
        if self.pairs:
            x = self.nchw(x, base)
        op = "depthwise" if depthwise else "Conv2D"
        shape = (k, 1 if depthwise else c, kernel, kernel)
        attrs = dict(kernel_shape=[kernel] * 2, strides=[stride] * 2, group=c if depthwise else 1, dilations=[1, 1])
        attrs.update(dict(auto_pad="SAME_UPPER") if stride > 1 else dict(pads=[kernel // 2] * 4))
        if self.norm == "folded":
            ins = [self.weight(f"{base}/{op}_weights_fused_bn", *shape), self.weight(f"{base}/{op}_bias_fused_bn", k)]
        elif self.norm == "bias":
            ins = [self.weight(f"{base}/{op}/ReadVariableOp:0", *shape), self.weight(f"{base}/BiasAdd/ReadVariableOp:0", k)]
        else:
            ins = [self.weight(f"{base}/{op}/ReadVariableOp:0", *shape)]
        x = self.node("Conv", f"{base}/{op}", f"{base}/{op}:0", x, *ins, **attrs)
        if self.pairs:
            x = self.nhwc(x, base)
        bn = self.layer("batch_normalization") if self.norm in ("kept", "arithmetic") else ""
        if self.norm == "kept":
            p = [self.weight(f"{bn}/{w}:0", k, at=1.0 if w in ("gamma", "variance") else 0.0, scale=0.05) for w in ("gamma", "beta", "mean", "variance")]
            x = self.nchw(x, bn) if self.pairs else x
            x = self.node("BatchNormalization", f"{bn}/FusedBatchNormV3", f"{bn}/FusedBatchNormV3:0", x, *p, epsilon=0.001)
            x = self.nhwc(x, bn) if self.pairs else x
        if self.norm == "arithmetic":  # scale and shift as Mul and Add over the last axis, or as [C,1,1]
            shape = (k,) if self.pairs else (1, k, 1, 1)
            x = self.node("Mul", f"{bn}/batchnorm/mul_1", f"{bn}/batchnorm/mul_1:0", x, self.weight(f"{bn}/batchnorm/mul:0", *shape, at=1.0, scale=0.1))
            x = self.node("Add", f"{bn}/batchnorm/add_1", f"{bn}/batchnorm/add_1:0", x, self.weight(f"{bn}/batchnorm/sub:0", *shape, scale=0.1))
        if act:
            name = self.layer("re_lu" if act != "Clip" else "re_lu6")
            more = [self.constant(f"{name}/min", np.float32(0)), self.constant(f"{name}/max", np.float32(6))] if act == "Clip" else []
            x = self.node(act, f"{name}/{act}", f"{name}/{act}:0", x, *more)
        return x

    def add(self, x, y):
        name = self.layer("add")
        return self.node("Add", f"{name}/add", f"{name}/add:0", x, y)

    def pool(self, x):
        name = self.layer("global_average_pooling2d")
        if self.pairs:
            return self.node("ReduceMean", f"{name}/Mean", f"{name}/Mean:0", x, axes=[1, 2], keepdims=0)
        x = self.node("GlobalAveragePool", f"{name}/Mean", f"{name}/Mean:0", x)
        axes = self.constant(f"const_axes__{len(self.nodes)}", np.array([2, 3], np.int64))
        return self.node("Squeeze", f"{name}/Mean_Squeeze__{len(self.nodes)}", f"{name}/Mean_Squeeze__{len(self.nodes)}:0", x, axes)

    def dense(self, x, c, k, act="", out=""):
        base = self.layer("dense")
        x = self.node("MatMul", f"{base}/MatMul", f"{base}/MatMul:0", x, self.constant(f"{base}/MatMul/ReadVariableOp:0", self.r.normal(0, (1 / c) ** 0.5, (c, k)).astype(np.float32)))
        x = self.node("Add", f"{base}/BiasAdd", out if out and not act else f"{base}/BiasAdd:0", x, self.weight(f"{base}/BiasAdd/ReadVariableOp:0", k))
        return self.node(act, f"{base}/{act}", out or f"{base}/{act}:0", x) if act else x


def keras_residual(norm, pairs, act="Softmax"):
    """A small ResNet v1."""
    g = Keras(norm=norm, pairs=pairs)
    x = "input_1" if pairs else g.nchw("input_1", "StatefulPartitionedCall/model/conv2d/Conv2D")
    x = g.conv(x, 3, 8, stride=2)
    c = 8
    for k in (8, 16, 16, 24, 24, 24):
        y = g.conv(g.conv(x, c, k, stride=1 if k == c else 2), k, k, act="")
        if c != k:
            x = g.conv(x, c, k, kernel=1, stride=2, act="")
        name = g.layer("activation")
        x = g.node("Relu", f"{name}/Relu", f"{name}/Relu:0", g.add(y, x))
        c = k
    g.dense(g.pool(x), c, CLASSES, act, "dense")
    return g.model("tf2onnx", 13, [("input_1", TensorProto.FLOAT, ["unk__1", 32, 32, 3])], [("dense", TensorProto.FLOAT, ["unk__2", CLASSES])])


def keras_mobile(norm, pairs, scaled):
    """A small MobileNet v2 that scales its pictures itself, from bytes where they are."""
    g = Keras("mobilenetv2_0.35_32", norm, pairs)
    x = "image"
    if scaled:
        x = g.node("Cast", "mobilenetv2_0.35_32/Cast", "mobilenetv2_0.35_32/Cast:0", x, to=TensorProto.FLOAT)
        x = g.node("Mul", "mobilenetv2_0.35_32/rescaling/mul", "mobilenetv2_0.35_32/rescaling/mul:0", x, g.constant("rescaling/scale", np.float32(1 / 127.5)))
        x = g.node("Add", "mobilenetv2_0.35_32/rescaling/add", "mobilenetv2_0.35_32/rescaling/add:0", x, g.constant("rescaling/offset", np.float32(-1)))
    x = x if pairs else g.nchw(x, "mobilenetv2_0.35_32/conv2d/Conv2D")
    x = g.conv(x, 3, 8, stride=2, act="Clip")
    c = 8
    for k, stride in ((8, 1), (12, 2), (12, 1), (16, 2), (16, 1), (24, 1), (24, 1)):
        y = g.conv(x, c, 6 * c, kernel=1, act="Clip")
        y = g.conv(y, 6 * c, 6 * c, stride=stride, act="Clip", depthwise=True)
        y = g.conv(y, 6 * c, k, kernel=1, act="")
        x = g.add(x, y) if stride == 1 and c == k else y
        c = k
    x = g.conv(x, c, 64, kernel=1, act="Clip")
    g.dense(g.pool(x), 64, CLASSES, "Softmax", "predictions")
    return g.model("tf2onnx", 13, [("image", TensorProto.UINT8 if scaled else TensorProto.FLOAT, ["N", 32, 32, 3])], [("predictions", TensorProto.FLOAT, ["N", CLASSES])])


def keras_dense():
    """Convolutions and two dense layers behind a Reshape, as tutorials have them, with a sigmoid for each class."""
    g = Keras("sequential", "bias", False)
    x = g.nchw("conv2d_input", "sequential/conv2d/Conv2D")
    c = 3
    for k in (12, 24, 32):
        x = g.conv(x, c, k)
        name = g.layer("max_pooling2d")
        x = g.node("MaxPool", f"{name}/MaxPool", f"{name}/MaxPool:0", x, kernel_shape=[2, 2], strides=[2, 2])
        c = k
    x = g.nhwc(x, "sequential/flatten")
    x = g.node("Reshape", "sequential/flatten/Reshape", "sequential/flatten/Reshape:0", x, g.constant("sequential/flatten/Const", np.array([-1, 512], np.int64)))
    x = g.dense(x, 512, 12, "Relu")
    g.dense(x, 12, CLASSES, "Sigmoid", "dense_1")
    return g.model("tf2onnx", 9, [("conv2d_input", TensorProto.FLOAT, ["unk__9", 32, 32, 3])], [("dense_1", TensorProto.FLOAT, ["unk__10", CLASSES])])


def keras_bert():
    """A transformer of TensorFlow: products by Einsum-like reshapes, norms written out with Rsqrt as Sqrt and Reciprocal."""
    g, width, heads = Keras("StatefulPartitionedCall/tf_bert/bert"), 32, 4
    s = g.scope

    def const(name, *xs):
        return g.constant(f"{s}/{name}", np.array(xs, np.int64))

    def linear(x, base, c, k):
        x = g.node("MatMul", f"{s}/{base}/Tensordot/MatMul", f"{s}/{base}/MatMul:0", x, g.constant(f"{s}/{base}/kernel:0", g.r.normal(0, c**-0.5, (c, k)).astype(np.float32)))
        return g.node("Add", f"{s}/{base}/BiasAdd", f"{s}/{base}/BiasAdd:0", x, g.weight(f"{s}/{base}/bias:0", k))

    def norm(x, base):
        mean = g.node("ReduceMean", f"{s}/{base}/moments/mean", f"{s}/{base}/mean:0", x, axes=[2], keepdims=1)
        d = g.node("Sub", f"{s}/{base}/moments/sub", f"{s}/{base}/sub:0", x, mean)
        var = g.node("ReduceMean", f"{s}/{base}/moments/variance", f"{s}/{base}/variance:0", g.node("Mul", f"{s}/{base}/square", f"{s}/{base}/square:0", d, d), axes=[2], keepdims=1)
        var = g.node("Add", f"{s}/{base}/batchnorm/add", f"{s}/{base}/eps:0", var, g.constant(f"{s}/{base}/epsilon", np.float32(1e-6)))
        r = g.node("Reciprocal", f"{s}/{base}/batchnorm/Rsqrt", f"{s}/{base}/rsqrt:0", g.node("Sqrt", f"{s}/{base}/batchnorm/Sqrt", f"{s}/{base}/sqrt:0", var))
        scale = g.node("Mul", f"{s}/{base}/batchnorm/mul", f"{s}/{base}/mul:0", r, g.weight(f"{s}/{base}/gamma:0", width, at=1.0))
        y = g.node("Mul", f"{s}/{base}/batchnorm/mul_1", f"{s}/{base}/mul_1:0", x, scale)
        z = g.node("Sub", f"{s}/{base}/batchnorm/sub", f"{s}/{base}/shift:0", g.weight(f"{s}/{base}/beta:0", width), g.node("Mul", f"{s}/{base}/batchnorm/mul_2", f"{s}/{base}/mul_2:0", mean, scale))
        return g.node("Add", f"{s}/{base}/batchnorm/add_1", f"{s}/{base}/add_1:0", y, z)

    mask = g.node("Cast", f"{s}/Cast", f"{s}/Cast:0", "attention_mask", to=TensorProto.FLOAT)
    mask = g.node("Unsqueeze", f"{s}/strided_slice", f"{s}/strided_slice:0", mask, const("mask_axes", 1, 2))
    mask = g.node("Mul", f"{s}/mul", f"{s}/mul:0", g.node("Sub", f"{s}/sub", f"{s}/sub:0", g.constant(f"{s}/one", np.float32(1)), mask), g.constant(f"{s}/least", np.float32(-10000)))
    x = g.node("Gather", f"{s}/embeddings/Gather", f"{s}/embeddings/Gather:0", g.weight(f"{s}/embeddings/weight:0", 200, width, scale=0.5), "input_ids")
    size = g.node("Shape", f"{s}/embeddings/Shape", f"{s}/embeddings/Shape:0", "input_ids")
    steps = g.node("Slice", f"{s}/embeddings/steps", f"{s}/embeddings/steps:0", size, const("at1", 1), const("at2", 2))
    places = g.node("Slice", f"{s}/embeddings/places", f"{s}/embeddings/places:0", g.weight(f"{s}/embeddings/position_embeddings:0", 64, width, scale=0.2), const("at0", 0), steps, const("axis0", 0))
    x = norm(g.node("Add", f"{s}/embeddings/add", f"{s}/embeddings/add:0", x, places), "embeddings/LayerNorm")
    shape = const("heads", 0, -1, heads, width // heads)
    for i in range(4):
        base = f"encoder/layer_._{i}"
        q, k, v = (g.node("Transpose", f"{s}/{base}/{n}/transpose", f"{s}/{base}/{n}/transpose:0", g.node("Reshape", f"{s}/{base}/{n}/Reshape", f"{s}/{base}/{n}/Reshape:0", linear(x, f"{base}/attention/self/{n}", width, width), shape), perm=p)
                   for n, p in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])))
        w = g.node("MatMul", f"{s}/{base}/MatMul", f"{s}/{base}/scores:0", q, k)
        w = g.node("Mul", f"{s}/{base}/truediv", f"{s}/{base}/scaled:0", w, g.constant(f"{s}/{base}/scale", np.float32((width // heads) ** -0.5)))
        w = g.node("Softmax", f"{s}/{base}/Softmax", f"{s}/{base}/Softmax:0", g.node("Add", f"{s}/{base}/masked", f"{s}/{base}/masked:0", w, mask), axis=3)
        y = g.node("Transpose", f"{s}/{base}/back", f"{s}/{base}/back:0", g.node("MatMul", f"{s}/{base}/MatMul_1", f"{s}/{base}/values:0", w, v), perm=[0, 2, 1, 3])
        y = g.node("Reshape", f"{s}/{base}/joined", f"{s}/{base}/joined:0", y, const(f"{base}/joined_shape", 0, -1, width))
        x = norm(g.node("Add", f"{s}/{base}/residual", f"{s}/{base}/residual:0", linear(y, f"{base}/attention/output/dense", width, width), x), f"{base}/attention/output/LayerNorm")
        y = linear(x, f"{base}/intermediate/dense", width, 4 * width)
        e = g.node("Erf", f"{s}/{base}/Erf", f"{s}/{base}/Erf:0", g.node("Mul", f"{s}/{base}/Gelu/mul", f"{s}/{base}/Gelu/mul:0", y, g.constant(f"{s}/{base}/root", np.float32(0.5**0.5))))
        e = g.node("Mul", f"{s}/{base}/Gelu/mul_1", f"{s}/{base}/Gelu/mul_1:0", g.node("Add", f"{s}/{base}/Gelu/add", f"{s}/{base}/Gelu/add:0", e, f"{s}/one"), g.constant(f"{s}/{base}/half", np.float32(0.5)))
        y = linear(g.node("Mul", f"{s}/{base}/Gelu/mul_2", f"{s}/{base}/Gelu/mul_2:0", y, e), f"{base}/output/dense", 4 * width, width)
        x = norm(g.node("Add", f"{s}/{base}/residual_1", f"{s}/{base}/residual_1:0", y, x), f"{base}/output/LayerNorm")
    first = g.node("Gather", f"{s}/pooler/first", f"{s}/pooler/first:0", x, g.constant(f"{s}/zero", np.int64(0)), axis=1)
    x = g.node("Tanh", f"{s}/pooler/dense/Tanh", f"{s}/pooler/Tanh:0", linear(first, "pooler/dense", width, width))
    g.node("Identity", "Identity", "logits", linear(x, "classifier", width, 3))
    ids = ["N", "T"]
    return g.model("tf2onnx", 13, [("input_ids", TensorProto.INT32, ids), ("attention_mask", TensorProto.INT32, ids)], [("logits", TensorProto.FLOAT, ["N", 3])])


class Paddle(Graph):
    """paddle2onnx's forms: values called NAME_0.tmp_0, nodes p2o.Op.0, weights NAME_0.w_0, Identity chains."""

    def op(self, op, x, *more, out=None, **attrs):
        if out is None:
            key = op.lower()
            out = f"{key}_{self.number('value ' + key)}.tmp_0"
        return self.node(op, f"p2o.{op}.{self.number('node ' + op)}", out, x, *more, **attrs)

    def conv(self, x, c, k, kernel=3, stride=1, group=1, act="Relu"):
        n = self.number("conv2d")
        x = self.op("Conv", x, self.weight(f"conv2d_{n}.w_0", k, c // group, kernel, kernel), out=f"conv2d_{n}.tmp_0", kernel_shape=[kernel] * 2, strides=[stride] * 2,
                    pads=[kernel // 2] * 4, dilations=[1, 1], group=group)
        b = self.number("batch_norm")
        p = [self.weight(f"batch_norm_{b}.{w}", k, at=1.0 if w in ("w_0", "w_2") else 0.0, scale=0.05) for w in ("w_0", "b_0", "w_1", "w_2")]
        x = self.op("BatchNormalization", x, *p, out=f"batch_norm_{b}.tmp_2", epsilon=1e-5, momentum=0.9)
        if act == "HardSwish":  # x * clip(x + 3, 0, 6) / 6, as before operator set 14
            y = self.op("Add", x, self.constant(f"Constant_{len(self.weights)}", np.array([3], np.float32)))
            y = self.op("Clip", y, self.constant(f"Constant_{len(self.weights)}", np.float32(0)), self.constant(f"Constant_{len(self.weights)}", np.float32(6)))
            return self.op("Div", self.op("Mul", x, y), self.constant(f"Constant_{len(self.weights)}", np.array([6], np.float32)))
        return self.op(act, x) if act else x

    def fc(self, x, c, k, softmax=True):
        n = self.number("linear")
        x = self.op("MatMul", x, self.constant(f"linear_{n}.w_0", self.r.normal(0, c**-0.5, (c, k)).astype(np.float32)), out=f"linear_{n}.tmp_0")
        x = self.op("Add", x, self.weight(f"linear_{n}.b_0", k), out=f"linear_{n}.tmp_1")
        if softmax:
            x = self.op("Softmax", x, axis=1, out="softmax_0.tmp_0")
        return self.op("Identity", x, out="save_infer_model/scale_0.tmp_0")


def paddle_mobile():
    """A small MobileNetV3 with gates and hard swish."""
    g = Paddle()
    x = g.conv("x", 3, 8, stride=2, act="HardSwish")
    c = 8
    for k, stride in ((8, 1), (16, 2), (16, 1), (24, 2), (24, 1)):
        y = g.conv(x, c, 4 * c, kernel=1, act="HardSwish")
        y = g.conv(y, 4 * c, 4 * c, stride=stride, group=4 * c, act="HardSwish")
        gate = g.op("GlobalAveragePool", y)
        for a, b, act in ((4 * c, c, "Relu"), (c, 4 * c, "HardSigmoid")):
            n = g.number("conv2d")
            gate = g.op("Conv", gate, g.weight(f"conv2d_{n}.w_0", b, a, 1, 1), kernel_shape=[1, 1])
            bias = g.op("Reshape", g.weight(f"conv2d_{n}.b_0", b), g.constant(f"shape_{n}", np.array([1, -1, 1, 1], np.int64)))
            gate = g.op(act, g.op("Add", gate, bias))
        y = g.conv(g.op("Mul", y, gate), 4 * c, k, kernel=1, act="")
        x = g.op("Add", x, y) if stride == 1 and c == k else y
        c = k
    x = g.op("Identity", g.conv(x, c, 64, kernel=1, act="HardSwish"))
    x = g.op("GlobalAveragePool", x)
    x = g.op("Reshape", x, g.constant("flat", np.array([0, 64], np.int64)), out="flatten_0.tmp_0")
    g.fc(x, 64, CLASSES)
    return g.model("PaddlePaddle", 11, [("x", TensorProto.FLOAT, [-1, 3, 32, 32])], [("save_infer_model/scale_0.tmp_0", TensorProto.FLOAT, [-1, CLASSES])])


def paddle_residual():
    """A small ResNet-vd: an average pooling before the shortcut's convolution; no softmax."""
    g = Paddle()
    x = g.conv(g.conv("inputs", 3, 8, stride=2), 8, 8)
    c = 8
    for k in (8, 16, 16, 24, 24, 24):
        y = g.conv(g.conv(x, c, k, stride=1 if c == k else 2), k, k, act="")
        if c != k:
            x = g.conv(g.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), c, k, kernel=1, act="")
        x = g.op("Relu", g.op("Add", x, y))
        c = k
    x = g.op("AveragePool", x, kernel_shape=[4, 4], strides=[4, 4])
    x = g.op("Squeeze", x, g.constant("axes", np.array([2, 3], np.int64)), out="pool2d_1.tmp_0_squeeze")
    g.fc(x, c, CLASSES, softmax=False)
    return g.model("PaddlePaddle", 13, [("inputs", TensorProto.FLOAT, [-1, 3, 32, 32])], [("save_infer_model/scale_0.tmp_0", TensorProto.FLOAT, [-1, CLASSES])])


def paddle_text():
    """A bag of words and a convolution over it, as text classifiers of PaddleNLP have it."""
    g = Paddle()
    x = g.op("Gather", g.weight("embedding_0.w_0", 200, 32, scale=0.5), "input_ids")
    x = g.op("Transpose", x, perm=[0, 2, 1])
    for i, (c, k) in enumerate(((32, 32), (32, 48))):
        x = g.op("Conv", x, g.weight(f"conv1d_{i}.w_0", k, c, 3), g.weight(f"conv1d_{i}.b_0", k), out=f"conv1d_{i}.tmp_0", kernel_shape=[3], pads=[1, 1])
        x = g.op("Relu", x)
    x = g.op("ReduceMax", x, axes=[2], keepdims=0)
    g.fc(x, 48, 3)
    return g.model("PaddlePaddle", 11, [("input_ids", TensorProto.INT64, [-1, -1])], [("save_infer_model/scale_0.tmp_0", TensorProto.FLOAT, [-1, 3])])


def models():
    r = np.random.default_rng(2)
    first, last, bytes_ = r.normal(0, 1, (2, 3, 32, 32)).astype(np.float32), r.normal(0, 1, (2, 32, 32, 3)).astype(np.float32), r.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    ids = r.integers(5, 200, (2, 10))

    def model(name, kind, variant, proto, inputs, reads, parts=(), blocks=(4, 12), layout="first"):
        return Model(name, kind, None, inputs, [], reads=reads, parts=list(parts), blocks=blocks, layout=layout), variant, proto, inputs

    scope = "StatefulPartitionedCall/model"
    out = []
    for norm in ("folded", "kept", "arithmetic"):
        for pairs in (False, True):
            out.append(model("keras-resnet", "pictures", norm + ("-pairs" if pairs else ""), keras_residual(norm, pairs), {"input_1": last}, f"{scope}/dense/", blocks=(7, 7), layout="last"))
            out.append(model("keras-mobilenet", "pictures", norm + ("-pairs" if pairs else ""), keras_mobile(norm, pairs, norm == "kept"), {"image": bytes_ if norm == "kept" else last}, "mobilenetv2_0.35_32/dense/", blocks=(8, 10), layout="last"))
    out.append(model("keras-resnet", "pictures", "folded-pairs-logits", keras_residual("folded", True, ""), {"input_1": last}, f"{scope}/dense/", blocks=(7, 7), layout="last"))
    out.append(model("keras-dense", "pictures", "sigmoid", keras_dense(), {"conv2d_input": last}, "sequential/dense_1/", blocks=(4, 4), layout="last"))
    out.append(model("keras-bert", "texts", "opset13", keras_bert(), {"input_ids": ids.astype(np.int32), "attention_mask": np.ones((2, 10), np.int32)}, "StatefulPartitionedCall/tf_bert/bert/classifier/",
                     [f"StatefulPartitionedCall/tf_bert/bert/encoder/layer_._{i}/" for i in range(4)], (5, 6)))
    out.append(model("paddle-mobilenet", "pictures", "opset11", paddle_mobile(), {"x": first}, "p2o.MatMul.", blocks=(6, 8), layout="first"))
    out.append(model("paddle-resnet", "pictures", "opset13", paddle_residual(), {"inputs": first}, "p2o.MatMul.", blocks=(7, 9), layout="first"))
    out.append(model("paddle-text", "texts", "opset11", paddle_text(), {"input_ids": ids.astype(np.int64)}, "p2o.MatMul.", blocks=(3, 3)))
    return out
