// Run a language model in ONNX Runtime and print its last output.
//
//     node ort_texts.mjs MODEL.onnx INPUTS.json
//
// INPUTS.json is {"name": [[...int64...], ...], ...}, one list an example. Prints {"shape":[...],"data":[...]}.
// onnxruntime-node is looked for in $PERMAFROST_ORT, a node_modules folder, else as node finds modules.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const root = process.env.PERMAFROST_ORT ? path.resolve(process.env.PERMAFROST_ORT, '..') : process.cwd();
const require = createRequire(path.join(root, 'here.js'));
const ort = require('onnxruntime-node');

const [model, inputs] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 2, logSeverityLevel: 3 });
const feeds = {};
for (const [name, rows] of Object.entries(JSON.parse(readFileSync(inputs)))) {
  feeds[name] = new ort.Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]);
}
const results = await session.run(feeds);
const y = results[session.outputNames.at(-1)];
console.log(JSON.stringify({ shape: y.dims, data: Array.from(y.data, Number) }));
