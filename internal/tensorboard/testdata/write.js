// Writes independent.tfevents with the packages tfrecord and protobufjs, which know nothing of
// Permafrost.
//   NODE_PATH=.../node_modules node write.js FILE
const path = require("path");
const protobuf = require("protobufjs");
const { RecordWriter } = require("tfrecord/lib/record_writer");

(async () => {
  const Event = protobuf.loadSync(path.join(__dirname, "events.proto")).lookupType("Event");
  const writer = await RecordWriter.create(process.argv[2]);
  for (const e of [
    { wallTime: 1700000000.5, fileVersion: "brain.Event:2" },
    { wallTime: 1700000001.25, step: 1, summary: { value: [{ tag: "step/loss", simpleValue: 2.5 }, { tag: "step/learning_rate", simpleValue: 0.125 }] } },
    { wallTime: 1700000002, step: 300, summary: { value: [{ tag: "epoch/val_accuracy", simpleValue: 0.75 }] } },
  ]) {
    await writer.writeRecord(Event.encode(Event.fromObject(e)).finish());
  }
  await writer.close();
})();
