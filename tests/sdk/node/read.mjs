// A client of JetStream that has never heard of Memphis reads a stream.
//
//     node read.mjs SERVER USER PASSWORD STREAM COUNT
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

const [servers, user, pass, stream, count] = process.argv.slice(2);
const connection = await connect({ servers, user, pass });
const consumer = await jetstream(connection).consumers.get(stream); // ordered: it leaves no durable
const read = [];
for await (const message of await consumer.fetch({ max_messages: Number(count), expires: 5000 })) {
  read.push(message.string());
}
console.log(JSON.stringify(read));
await connection.close();
