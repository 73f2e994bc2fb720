// What the Node peers share: packages from the cache, signaling over TCP with a JSON object a line, and the form in
// which they report (see src/peer.rs).

import { createRequire } from "node:module";
import { connect, createServer } from "node:net";

export const require = createRequire(`${process.env.GATELODGE_BENCH_PEERS}/node/package.json`);

// The program that started this one holds the other end.
process.stdin.on("end", () => process.exit()).on("error", () => process.exit()).resume();

const print = (object) => console.log(JSON.stringify(object));
export const report = (scenario, figures) => print({ scenario, figures });
export const failed = (scenario, error) => print({ scenario, error: String(error) });

export const now = () => Number(process.hrtime.bigint()) / 1e6;

export function percentile(values, share) {
  values.sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.floor(values.length * share))];
}

function link(socket) {
  socket.setNoDelay(true);
  let text = "";
  const queue = [];
  const waiting = [];
  const push = (object) => (waiting.length ? waiting.shift()(object) : queue.push(object));
  socket.on("data", (data) => {
    text += data;
    for (let end; (end = text.indexOf("\n")) >= 0; text = text.slice(end + 1)) push(JSON.parse(text.slice(0, end)));
  });
  socket.on("error", () => {}).on("close", () => push(null));
  return {
    // The next object; null once the other side has gone.
    receive: () => (queue.length ? Promise.resolve(queue.shift()) : new Promise((resolve) => waiting.push(resolve))),
    send: (object) => socket.write(JSON.stringify(object) + "\n"),
    close: () => socket.destroy(),
  };
}

export function listen(host, serve) {
  const server = createServer((socket) => serve(link(socket)).catch((error) => console.error(error)));
  server.listen(0, host, () => print({ listening: `${host}:${server.address().port}` }));
}

export async function dial(address) {
  const [host, port] = address.split(":");
  const socket = connect(Number(port), host);
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return link(socket);
}
