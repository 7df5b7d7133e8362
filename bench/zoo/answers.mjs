// Run the models of the zoo by ONNX Runtime on their inputs and keep what they give.
//
//     node answers.mjs DIR
//
// Reads DIR/manifest.json and writes DIR/answers.json, with raw numbers beside the models. onnxruntime-node is looked for in
// $PERMAFROST_ORT, a node_modules folder, else as node finds modules from the working folder.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const root = process.env.PERMAFROST_ORT ? path.resolve(process.env.PERMAFROST_ORT, '..') : process.cwd();
const ort = createRequire(path.join(root, 'here.js'))('onnxruntime-node');
const arrays = { float32: Float32Array, int64: BigInt64Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array };

const dir = process.argv[2];
const answers = {};
for (const m of JSON.parse(fs.readFileSync(path.join(dir, 'manifest.json')))) {
  const folder = path.join(dir, path.dirname(m.file));
  const feeds = {};
  for (const i of m.inputs) {
    const bytes = fs.readFileSync(path.join(folder, i.file));
    feeds[i.name] = new ort.Tensor(i.type, new arrays[i.type](bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)), i.shape);
  }
  try {
    const session = await ort.InferenceSession.create(path.join(dir, m.file), { intraOpNumThreads: 2, logSeverityLevel: 3 });
    const given = await session.run(feeds);
    answers[m.file] = session.outputNames.map((name, k) => {
      const file = `${m.variant}.out${k}.bin`;
      fs.writeFileSync(path.join(folder, file), Buffer.from(given[name].data.buffer, given[name].data.byteOffset, given[name].data.byteLength));
      return { name, file, type: given[name].type, shape: given[name].dims };
    });
  } catch (err) {
    answers[m.file] = { error: String(err.message ?? err).split('\n')[0] };
  }
}
fs.writeFileSync(path.join(dir, 'answers.json'), JSON.stringify(answers));
