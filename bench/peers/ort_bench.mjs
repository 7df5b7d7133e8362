// Time ONNX Runtime on a forward pass. All inputs have one shape; integers are tokens or, in a mask, ones.
//
//     node ort_bench.mjs MODEL.onnx SHAPE [THREADS] [SECONDS]        SHAPE is 16,3,224,224
//
// Prints one JSON object: ms_min, ms_median, runs, peak_rss_bytes, version. onnxruntime-node is looked for in
// $PERMAFROST_ORT, a node_modules folder, else as node finds modules from the working folder.

import { createRequire } from 'node:module';
import path from 'node:path';

const root = process.env.PERMAFROST_ORT ? path.resolve(process.env.PERMAFROST_ORT, '..') : process.cwd();
const require = createRequire(path.join(root, 'here.js'));
const ort = require('onnxruntime-node');

const [model, shape, threads = '2', seconds = '6'] = process.argv.slice(2);
const dims = shape.split(',').map(Number);
const session = await ort.InferenceSession.create(model, {
  intraOpNumThreads: Number(threads), interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: 'all', logSeverityLevel: 3,
});
const count = dims.reduce((a, b) => a * b, 1);
const feeds = {};
for (const { name, type } of session.inputMetadata) {
  const fill = (kind, f) => kind.from({ length: count }, (_, i) => f(i));
  feeds[name] = type === 'int64'
    ? new ort.Tensor('int64', fill(BigInt64Array, (i) => (/mask/.test(name) ? 1n : BigInt((i * 7) % 251))), dims)
    : new ort.Tensor('float32', fill(Float32Array, (i) => Math.sin(i * 0.37)), dims);
}
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
