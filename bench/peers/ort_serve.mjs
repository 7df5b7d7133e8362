// ONNX Runtime behind a plain HTTP server: node ort_serve.mjs FOLDER-OF-onnxruntime-node PORT THREADS MODEL...
// POST /K runs model K on the body, a float32 tensor [1,3,224,224]; POST /all runs all of them.
import fs from 'node:fs';
import http from 'node:http';
import {createRequire} from 'node:module';

const [at, port, threads, ...models] = process.argv.slice(2);
const ort = createRequire(at + '/')('onnxruntime-node');
const sessions = [];
for (const m of models) {
  sessions.push(await ort.InferenceSession.create(m, {intraOpNumThreads: +threads, interOpNumThreads: 1, graphOptimizationLevel: 'all', logSeverityLevel: 3}));
}

const run = async (s, x) => [...(await s.run({[s.inputNames[0]]: x}))[s.outputNames[0]].data];

http.createServer((req, res) => {
  const parts = [];
  req.on('data', d => parts.push(d));
  req.on('end', async () => {
    if (req.url === '/memory') {
      res.end(fs.readFileSync('/proc/self/status', 'utf8'));
      return;
    }
    try {
      const body = Buffer.concat(parts);
      const x = new ort.Tensor('float32', new Float32Array(body.buffer, body.byteOffset, body.length / 4), [1, 3, 224, 224]);
      const out = [];
      for (const s of req.url === '/all' ? sessions : [sessions[+req.url.slice(1)]]) out.push(await run(s, x));
      res.setHeader('Content-Type', 'application/json');
      res.end(JSON.stringify(out));
    } catch (e) {
      res.statusCode = 500;
      res.end(String(e));
    }
  });
}).listen(+port, '127.0.0.1', () => console.log('ready'));
