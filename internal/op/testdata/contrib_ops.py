"""Makes contrib_ops.json.gz: operators of com.microsoft with the results of ONNX Runtime.

Usage: python3 contrib_ops.py MODULES, where MODULES holds onnxruntime-node (npm install onnxruntime-node).
Each case is a model in base64 with its inputs and outputs.
"""
import base64, gzip, json, os, subprocess, sys, tempfile
import numpy as np
import onnx
from onnx import TensorProto, helper

rng = np.random.default_rng(1)


def r(*shape):
    return (rng.random(shape) * 2 - 1).astype(np.float32)


def i(*values, dtype=np.int32):
    return np.array(values, dtype=dtype)


MS = "com.microsoft"
cases = []


def case(name, op, inputs, outputs=1, **attrs):
    cases.append((name, op, inputs, outputs, attrs))


x = r(2, 3, 4)
case("gelu", "Gelu", [x])
case("quick_gelu", "QuickGelu", [x], alpha=1.5)
case("fast_gelu", "FastGelu", [x])
case("fast_gelu_bias", "FastGelu", [x, r(4)])
case("bias_gelu", "BiasGelu", [x, r(4)])
case("fused_matmul", "FusedMatMul", [r(2, 4, 3), r(2, 5, 4)], transA=1, transB=1, alpha=0.5)
case("skip_layer_norm", "SkipLayerNormalization", [x, r(2, 3, 4), r(4), r(4), r(4)], outputs=[0, 3], epsilon=1e-3)
case("skip_layer_norm_plain", "SkipLayerNormalization", [x, r(2, 3, 4), r(4)], epsilon=1e-3)
case("simplified_layer_norm", "SimplifiedLayerNormalization", [x, r(4)], axis=-1, epsilon=1e-3)
case("skip_simplified", "SkipSimplifiedLayerNormalization", [x, r(2, 3, 4), r(4), r(4)], outputs=[0, 3], epsilon=1e-3)
case("embed_layer_norm", "EmbedLayerNormalization",
     [np.array([[1, 4, 2], [0, 3, 0]], np.int32), np.array([[0, 1, 1], [0, 0, 1]], np.int32), r(5, 4), r(6, 4), r(2, 4), r(4), r(4),
      np.array([[1, 1, 1], [1, 1, 0]], np.int32)], outputs=[0, 1], epsilon=1e-3)
w, b = r(8, 24), r(24)
y = r(2, 5, 8)
case("attention", "Attention", [y, w, b], num_heads=2)
case("attention_causal", "Attention", [y, w, b], num_heads=2, unidirectional=1)
case("attention_mask", "Attention", [y, w, b, np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], np.int32)], num_heads=2)
case("attention_lengths", "Attention", [y, w, b, i(5, 3)], num_heads=2)
case("attention_bias", "Attention", [y, w, b, None, None, r(1, 2, 5, 5)], num_heads=2, scale=0.3)
q, k, v = r(2, 5, 8), r(2, 6, 8), r(2, 6, 12)
case("multi_head", "MultiHeadAttention", [q, k, v], num_heads=4)
case("multi_head_bias", "MultiHeadAttention", [q, k, v, r(28)], num_heads=4)
case("multi_head_mask", "MultiHeadAttention", [q, k, r(2, 6, 8), None, np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]], np.int32)], num_heads=2)
cos, sin = r(10, 2), r(10, 2)
pos = np.array([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], np.int64)
case("rotary", "RotaryEmbedding", [q, pos, cos, sin])
case("rotary_offset", "RotaryEmbedding", [q, i(3, dtype=np.int64), cos, sin], interleaved=1)
case("rotary_heads_first", "RotaryEmbedding", [r(2, 3, 5, 4), pos, cos, sin])
img, kern = r(2, 3, 6, 5), r(4, 3, 3, 3)
case("fused_conv", "FusedConv", [img, kern, r(4)], activation="Relu", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
case("fused_conv_sum", "FusedConv", [img, kern, r(4), r(2, 4, 6, 5)], activation="Relu", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
case("fused_conv_leaky", "FusedConv", [img, kern, r(4)], activation="LeakyRelu", activation_params=[0.2], kernel_shape=[3, 3])
case("fused_gemm", "FusedGemm", [r(3, 4), r(5, 4), r(5)], activation="Relu", transB=1, alpha=0.5)


def u(*shape, low=0, high=256, dtype=np.uint8):
    return rng.integers(low, high, shape).astype(dtype)


def s(v):
    return np.array(v, np.float32)


def z(v, dtype=np.uint8):
    return np.array(v, dtype)


# The scales have no simple ratio, so that no result lies halfway between two integers.
qx, qy = u(2, 3, 4, 4), u(2, 3, 4, 4)
Q = {"result": "uint8"}
case("qlinear_add", "QLinearAdd", [qx, s(0.0213), z(120), qy, s(0.0317), z(130), s(0.0411), z(125)], **Q)
case("qlinear_mul", "QLinearMul", [qx, s(0.0213), z(120), qy, s(0.0317), z(130), s(0.0611), z(125)], **Q)
case("qlinear_sigmoid", "QLinearSigmoid", [qx, s(0.03), z(128), s(1 / 256), z(0)], **Q)
case("qlinear_leaky_relu", "QLinearLeakyRelu", [qx, s(0.03), z(128), s(0.03), z(100)], alpha=0.1, **Q)
case("qlinear_average_pool", "QLinearAveragePool", [qx, s(0.0317), z(128), s(0.0211), z(120)], kernel_shape=[2, 2], strides=[2, 2], **Q)
case("qlinear_global_average_pool", "QLinearGlobalAveragePool", [qx, s(0.03), z(128), s(0.01), z(120)], **Q)
case("qlinear_concat", "QLinearConcat", [s(0.03), z(120), qx, s(0.02), z(120), qy, s(0.03), z(130)], axis=1, **Q)
case("qgemm", "QGemm", [u(3, 8), s(0.02), z(120), u(5, 8), s(0.03), z(130), u(5, low=-900, high=900, dtype=np.int32), s(0.3), z(125)], transB=1, **Q)
case("matmul_integer_to_float", "MatMulIntegerToFloat", [u(3, 8), u(8, 5), s(0.02), r(5), z(120), u(5), r(5)])
case("dynamic_quantize_matmul", "DynamicQuantizeMatMul", [r(3, 8), u(8, 5), s(0.03), z(120), r(5)])
kv = r(2, 5, 32)
cos, sin = r(8, 8), r(8, 8)
case("group_query", "GroupQueryAttention", [r(2, 5, 64), kv, r(2, 5, 32), None, None, i(4, 4), np.array(5, np.int32)],
     outputs=[0, 1, 2], num_heads=4, kv_num_heads=2)
case("group_query_rotary", "GroupQueryAttention", [r(2, 5, 64), kv, r(2, 5, 32), None, None, i(4, 4), np.array(5, np.int32), cos, sin],
     outputs=[0, 1, 2], num_heads=4, kv_num_heads=2, do_rotary=1)
case("group_query_packed", "GroupQueryAttention", [r(2, 5, 128), None, None, None, None, i(4, 4), np.array(5, np.int32)],
     outputs=[0, 1, 2], num_heads=4, kv_num_heads=2)

NODE = """
import { createRequire } from 'module'; import fs from 'fs';
const ort = createRequire(process.argv[2] + '/')('onnxruntime-node');
const cases = JSON.parse(fs.readFileSync(process.argv[3]));
for (const c of cases) {
  const s = await ort.InferenceSession.create(Buffer.from(c.Model, 'base64'), {graphOptimizationLevel: 'disabled'});
  const feed = {};
  for (const [k, t] of Object.entries(c.Inputs)) {
    const data = t.DType === 'int64' ? BigInt64Array.from(t.Data.map(BigInt)) : t.DType === 'int32' ? Int32Array.from(t.Data) :
      t.DType === 'uint8' ? Uint8Array.from(t.Data) : Float32Array.from(t.Data);
    feed[k] = new ort.Tensor(t.DType, data, t.Shape);
  }
  const out = await s.run(feed);
  c.Outputs = {};
  for (const [k, t] of Object.entries(out)) c.Outputs[k] = {DType: t.type, Shape: t.dims, Data: Array.from(t.data, Number)};
}
fs.writeFileSync(process.argv[4], JSON.stringify(cases));
"""


def build(name, op, inputs, outputs, attrs):
    outs = [0] if outputs == 1 else outputs
    names = [f"x{k}" if a is not None else "" for k, a in enumerate(inputs)]
    ys = [f"y{k}" if k in outs else "" for k in range(max(outs) + 1)]
    domain = "" if op == "SimplifiedLayerNormalization" else MS
    result = TensorProto.UINT8 if attrs.pop("result", "") else TensorProto.FLOAT
    node = helper.make_node(op, names, ys, name=op, domain=domain, **attrs)
    types = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int32): TensorProto.INT32, np.dtype(np.int64): TensorProto.INT64,
             np.dtype(np.uint8): TensorProto.UINT8}
    ins = [helper.make_tensor_value_info(n, types[a.dtype], a.shape) for n, a in zip(names, inputs) if a is not None]
    ots = [helper.make_tensor_value_info(f"y{k}", TensorProto.INT32 if op.startswith("Embed") and k == 1 else result, None) for k in outs]
    g = helper.make_graph([node], name, ins, ots)
    m = helper.make_model(g, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(MS, 1)])
    m.ir_version = 8
    return {"Name": name, "Model": base64.b64encode(m.SerializeToString()).decode(), "Inputs": {
        n: {"DType": str(a.dtype), "Shape": list(a.shape), "Data": a.flatten().tolist()} for n, a in zip(names, inputs) if a is not None}}


with tempfile.TemporaryDirectory() as d:
    paths = [os.path.join(d, f) for f in ("run.mjs", "in.json", "out.json")]
    open(paths[0], "w").write(NODE)
    json.dump([build(*c) for c in cases], open(paths[1], "w"))
    subprocess.run(["node", paths[0], sys.argv[1], paths[1], paths[2]], check=True)
    done = json.load(open(paths[2]))
here = os.path.dirname(os.path.abspath(__file__))
with gzip.GzipFile(os.path.join(here, "contrib_ops.json.gz"), "w", mtime=0) as f:
    f.write(json.dumps(done).encode())
