// What the tests have Memphis's Node SDK do.
//
//     node calls.js HOST PORT USER PASSWORD CALL ARGUMENTS
//
// ARGUMENTS is a JSON object; what the call returns is printed as JSON.
const { memphis } = require('memphis-dev');

async function produce({ station, partitions, messages }) {
  await memphis.station({ name: station, partitionsNumber: partitions });
  const producer = await memphis.producer({ stationName: station, producerName: 'Producer.Node' });
  const said = [];
  for (const message of messages) {
    if (message.headers) {
      const headers = memphis.headers();
      Object.entries(message.headers).forEach(([name, value]) => headers.add(name, value));
      message.headers = headers;
    }
    said.push(await producer.produce({ ...message, asyncProduce: false }).then(() => '', (error) => error.message));
  }
  await producer.destroy();
  return said;
}

// Without waiting for any ack; closing does not wait either, so the last message is.
async function pour({ station, count }) {
  const producer = await memphis.producer({ stationName: station, producerName: 'pouring' });
  for (let n = 0; n < count - 1; n++) await producer.produce({ message: String(n) });
  await producer.produce({ message: String(count - 1), asyncProduce: false });
  return count;
}

async function fetch({ station, consumer, sizes, key = null, partition = -1 }) {
  const source = await memphis.consumer({ stationName: station, consumerName: consumer });
  const batches = [];
  for (const batchSize of sizes) {
    const batch = await source.fetch({ batchSize, consumerPartitionKey: key, consumerPartitionNumber: partition });
    batch.forEach((message) => message.ack());
    batches.push(batch.map((message) => ({ data: message.getData().toString(), headers: message.getHeaders() })));
  }
  await source.destroy();
  return batches;
}

// What a fetch by a key says that goes wrong; "" for nothing.
async function complaint({ station, consumer, key }) {
  const source = await memphis.consumer({ stationName: station, consumerName: consumer });
  return source.fetch({ batchSize: 1, consumerPartitionKey: key }).then(() => '', (error) => error.message);
}

// By the callback, until so many have come.
async function listen({ station, consumer, count }) {
  const source = await memphis.consumer({ stationName: station, consumerName: consumer, pullIntervalMs: 100 });
  const heard = [];
  await new Promise((resolve, reject) => {
    source.on('error', reject);
    source.on('message', (message) => {
      heard.push(message.getData().toString());
      message.ack();
      if (heard.length === count) resolve();
    });
  });
  await source.destroy();
  return heard;
}

// In the manner of the SDK's own example of a consumer: each message is acknowledged, then its headers are read.
async function headers({ station, consumer, count }) {
  const source = await memphis.consumer({ stationName: station, consumerName: consumer, consumerGroup: '', pullIntervalMs: 100 });
  source.setContext({ key: 'value' });
  const read = [];
  await new Promise((resolve, reject) => {
    source.on('error', reject);
    source.on('message', (message, context) => {
      message.getData().toString();
      message.ack();
      read.push(message.getHeaders());
      if (read.length === count) resolve();
    });
  });
  await source.destroy();
  return read;
}

async function main(host, port, username, password, call, given) {
  await memphis.connect({ host, port: Number(port), username, password, suppressLogs: true });
  const result = await { produce, pour, fetch, complaint, listen, headers }[call](JSON.parse(given));
  console.log(JSON.stringify(result));
  await memphis.close();
  process.exit(0); // a consumer that was destroyed leaves timers behind
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
