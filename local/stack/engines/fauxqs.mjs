// SQS on this computer. Usage: node fauxqs.mjs [PORT], 0 or none for a free one.
// Prints "listening PORT" once it serves, and ends when its standard input does, so it cannot outlive its parent.
import { buildApp } from 'fauxqs';

const app = buildApp({ logger: false });
try {
  // fauxqs's own command listens on 0.0.0.0: listen ourselves.
  await app.listen({ host: '127.0.0.1', port: Number(process.argv[2] ?? 0) });
} catch (err) {
  console.error(err.message);
  process.exit(1);
}
console.log(`listening ${app.server.address().port}`);
process.stdin.resume().on('end', () => process.exit(0));
