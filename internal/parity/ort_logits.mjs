// Run an ONNX file in ONNX Runtime and print its first output.
//
//     node ort_logits.mjs MODEL.onnx SHAPE INPUT.bin [OUTPUT]
//
// SHAPE is 16,3,64,64; INPUT.bin holds that many little-endian float32. Prints {"shape":[...],"data":[...],"version":...}.
// onnxruntime-node is looked for in $PERMAFROST_ORT, a node_modules folder, else as node finds modules.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const root = process.env.PERMAFROST_ORT ? path.resolve(process.env.PERMAFROST_ORT, '..') : process.cwd();
const require = createRequire(path.join(root, 'here.js'));
const ort = require('onnxruntime-node');

const [model, shape, input, output] = process.argv.slice(2);
const dims = shape.split(',').map(Number);
const bytes = readFileSync(input);
const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 2, logSeverityLevel: 3 });
const results = await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', data, dims) });
const y = results[output ?? session.outputNames[0]];
console.log(JSON.stringify({ version: require('onnxruntime-node/package.json').version, shape: y.dims, data: Array.from(y.data, Number) }));
