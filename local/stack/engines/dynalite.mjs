// DynamoDB on this computer. Usage: node dynalite.mjs [PORT [FOLDER]], 0 or none for a free one, and no
// FOLDER to keep the tables in memory.
// Prints "listening PORT" once it serves, and ends when its standard input does, so it cannot outlive its parent.
import dynalite from 'dynalite';

const server = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0, path: process.argv[3] });
server.on('error', (err) => {
  console.error(err.message);
  process.exit(1);
});
// dynalite throws when a client goes away in the middle of a request, as a process that is killed does, and would end
// for everybody.
process.on('uncaughtException', (err) => {
  if (err.code === 'ECONNRESET') return;
  console.error(err);
  process.exit(1);
});
// dynalite's own command listens on all interfaces by default: listen ourselves.
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => console.log(`listening ${server.address().port}`));
process.stdin.resume().on('end', () => process.exit(0));
