// Time ONNX Runtime on a forward pass.
//
//     node ort_bench.mjs MODEL.onnx SHAPE|DIR [THREADS] [SECONDS]
//
// With a shape as 16,3,224,224 all inputs have that; integers are tokens or, in a mask, ones. A folder holds inputs as
// input_0.pb, input_1.pb; of a batch of two the first is taken.
//
// Prints one JSON object: ms_min, ms_median, runs, peak_rss_bytes, version. onnxruntime-node is looked for in
// $PERMAFROST_ORT, a node_modules folder, else as node finds modules from the working folder.

import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

const root = process.env.PERMAFROST_ORT ? path.resolve(process.env.PERMAFROST_ORT, '..') : process.cwd();
const require = createRequire(path.join(root, 'here.js'));
const ort = require('onnxruntime-node');

const [model, shape, threads = '2', seconds = '6'] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model, {
  intraOpNumThreads: Number(threads), interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: 'all', logSeverityLevel: 3,
});
const feeds = fs.existsSync(shape) ? stored(shape) : madeUp(shape.split(',').map(Number));
for (let i = 0; i < 2; i++) await session.run(feeds);
const times = [];
const end = performance.now() + 1000 * Number(seconds);
while (times.length < 3 || (performance.now() < end && times.length < 500)) {
  const t = performance.now();
  await session.run(feeds);
  times.push(performance.now() - t);
}
times.sort((a, b) => a - b);
console.log(JSON.stringify({
  ms_min: times[0], ms_median: times[times.length >> 1], runs: times.length,
  peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
  version: `ONNX Runtime ${require('onnxruntime-node/package.json').version}, node ${process.version}`,
}));

function madeUp(dims) {
  const count = dims.reduce((a, b) => a * b, 1);
  const fill = (kind, f) => kind.from({ length: count }, (_, i) => f(i));
  const feeds = {};
  for (const { name, type } of session.inputMetadata) {
    feeds[name] = type === 'int64'
      ? new ort.Tensor('int64', fill(BigInt64Array, (i) => (/mask/.test(name) ? 1n : BigInt((i * 7) % 251))), dims)
      : new ort.Tensor('float32', fill(Float32Array, (i) => Math.sin(i * 0.37)), dims);
  }
  return feeds;
}

function stored(dir) {
  const feeds = {};
  for (const [i, input] of session.inputNames.entries()) {
    const { name, type, dims, values } = readTensor(fs.readFileSync(path.join(dir, `input_${i}.pb`)));
    const batch = dims[0] === 2 && dims[1] !== 1; // a recurrent state is 2,1,n
    if (batch) dims[0] = 1;
    const data = batch ? values.slice(0, values.length / 2) : values;
    feeds[session.inputNames.includes(name) ? name : input] = new ort.Tensor(type, data, dims);
  }
  return feeds;
}

// readTensor decodes a TensorProto of ONNX.
function readTensor(bytes) {
  const types = {
    1: ['float32', Float32Array], 2: ['uint8', Uint8Array], 6: ['int32', Int32Array], 7: ['int64', BigInt64Array],
    9: ['bool', Uint8Array], 10: ['float16', Uint16Array],
  };
  const varint = (from) => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = from.bytes[from.at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
  };
  const t = { name: '', dims: [], type: 1, raw: null, list: [] };
  const floats = (b) => t.list.push(...new Float32Array(Uint8Array.from(b).buffer));
  for (const from = { bytes, at: 0 }; from.at < bytes.length;) {
    const key = Number(varint(from));
    const [field, wire] = [key >> 3, key & 7];
    let packed = null, value = 0n;
    if (wire === 0) {
      value = varint(from);
    } else {
      const size = wire === 2 ? Number(varint(from)) : wire === 5 ? 4 : 8;
      packed = bytes.subarray(from.at, from.at += size);
    }
    const values = [];
    if (!packed) values.push(value);
    else if ([1, 5, 7].includes(field)) for (const p = { bytes: packed, at: 0 }; p.at < packed.length;) values.push(varint(p));
    if (field === 1) t.dims.push(...values.map(Number));
    else if (field === 2) t.type = Number(value);
    else if (field === 4) floats(packed);
    else if (field === 5 || field === 7) t.list.push(...values);
    else if (field === 8) t.name = packed.toString();
    else if (field === 9) t.raw = packed;
  }
  const [type, Kind] = types[t.type];
  const values = t.raw ? new Kind(Uint8Array.from(t.raw).buffer) : Kind.from(t.type === 7 || t.type === 1 ? t.list : t.list.map(Number));
  return { name: t.name, type, dims: t.dims, values };
}
