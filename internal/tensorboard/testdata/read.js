// Reads an event file with the packages tfrecord and protobufjs, which know nothing of Permafrost, and
// prints each event as a line of JSON. tfrecord checks the sums of every record.
//   NODE_PATH=.../node_modules node read.js FILE
const path = require("path");
const protobuf = require("protobufjs");
const { RecordReader } = require("tfrecord/lib/record_reader");

(async () => {
  const root = protobuf.loadSync(path.join(__dirname, "events.proto"));
  const Event = root.lookupType("Event"), HParams = root.lookupType("HParamsPluginData");
  const plain = { longs: Number, bytes: String, defaults: false };
  const reader = await RecordReader.create(process.argv[2]);
  for (let b; (b = await reader.readRecord()) !== null; ) {
    const message = Event.decode(Uint8Array.from(b));
    const event = Event.toObject(message, plain);
    (event.summary ? event.summary.value : []).forEach((v, i) => {
      if (v.metadata && v.metadata.pluginData.pluginName === "hparams") {
        v.hparams = HParams.toObject(HParams.decode(message.summary.value[i].metadata.pluginData.content), plain);
      }
      if (v.tensor) v.texts = message.summary.value[i].tensor.stringVal.map((s) => Buffer.from(s).toString());
    });
    console.log(JSON.stringify(event));
  }
})();
