// Tries the foreign peers on each other, so that a failing end-to-end test can be blamed: `node check.mjs` runs every
// pair, prints one line for each, and what the peers said for those that failed. `--verbose` prints what all said; an
// argument runs only the pairs with that in their names.

import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { networkInterfaces, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [peers, chromium] = execFileSync(join(here, "../setup"), ["--check"], { encoding: "utf8" }).trim().split("\n");
process.env.GATELODGE_PEERS = peers;
const { WebSocketServer } = createRequire(`${peers}/node/package.json`)("ws");

// A pair that has not finished by then never will.
const LIMIT_MS = 30_000;

// Browsers are in process groups of their own, which an interrupt from the terminal does not reach.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

/** A peer as a process that prints its steps. */
function process_peer(command, args) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  const log = [];
  const heard = [];
  let wake = () => {};
  createInterface({ input: child.stdout }).on("line", (line) => {
    log.push(line);
    heard.push(JSON.parse(line));
    wake();
  });
  createInterface({ input: child.stderr }).on("line", (line) => log.push(line));
  const until = async (step) => {
    while (!heard.some((one) => one.step === step)) await new Promise((resolve) => (wake = resolve));
    return heard.find((one) => one.step === step);
  };
  const ended = new Promise((resolve, reject) => {
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`exit code ${code}`))));
  });
  return { log, until, ended, end: () => child.kill("SIGKILL") };
}

const python = (aiortc, program, ...args) =>
  process_peer(`${peers}/aiortc-${aiortc}/bin/python`, [join(here, "../python", program), ...args]);

/** Where there is no network, a page has to be allowed the loopback address, and cannot hide it behind an mDNS name. */
function loopback_options() {
  const online = Object.values(networkInterfaces()).flat().some(({ internal }) => !internal);
  return online ? [] : ["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"];
}

/** A page in a Chromium of its own. */
async function page_peer(query) {
  const files = new Map([
    ["/page.html", "text/html"],
    ["/page.mjs", "text/javascript"],
    ["/mcp.mjs", "text/javascript"],
    ["/fragments.mjs", "text/javascript"],
  ]);
  const log = [];
  let settle;
  const ended = new Promise((resolve, reject) => (settle = { resolve, reject }));
  const server = createServer((request, response) => {
    const path = request.url.split("?")[0];
    if (path === "/report") {
      let body = "";
      request.on("data", (data) => (body += data));
      request.on("end", () => {
        log.push(body);
        const { step } = JSON.parse(body);
        if (step === "done") settle.resolve();
        if (step === "failed") settle.reject(new Error("the page failed"));
        response.end();
      });
    } else if (files.has(path)) {
      response.setHeader("content-type", files.get(path));
      response.end(readFileSync(join(here, "../browser", path)));
    } else {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const profile = mkdtempSync(join(tmpdir(), "gatelodge-page-"));
  const url = `http://127.0.0.1:${server.address().port}/page.html?${new URLSearchParams(query)}`;
  const options = ["--headless=new", "--no-sandbox", "--disable-gpu", ...loopback_options()];
  const child = spawn(chromium, [...options, `--user-data-dir=${profile}`, url], { stdio: "ignore", detached: true });
  const gone = new Promise((resolve) => child.on("exit", resolve));
  const kill = () => process.kill(-child.pid, "SIGKILL");
  process.once("exit", kill);
  const end = async () => {
    process.off("exit", kill);
    kill();
    await gone;
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  return { log, ended, end };
}

/** A WebSocket server that passes messages between two clients. */
async function relay() {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await new Promise((resolve) => server.on("listening", resolve));
  const sockets = [];
  const early = [];
  server.on("connection", (socket) => {
    const me = sockets.push(socket) - 1;
    if (me === 1) early.forEach((message) => socket.send(message));
    socket.on("message", (data) => (sockets[1 - me] ? sockets[1 - me].send(String(data)) : early.push(String(data))));
  });
  return { url: `ws://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

async function python_pair(server_version, client_version) {
  const server = python(server_version, "server.py", "127.0.0.1", "0", "--idle", "0.5");
  const { port } = await server.until("listening");
  const calls = ["--echo", "60000", "--big", "60000", "--steps", "3", "--ask", "why", "--idle", "0.5"];
  return [server, python(client_version, "client.py", "127.0.0.1", String(port), ...calls)];
}

async function socket_pair(offer, answer, { trickle = false, size, fragments }) {
  const { url } = await relay();
  const start = (kind, role, mcp) => {
    const calls = { echo: String(size), big: String(size) };
    if (kind === "page") {
      return page_peer({ signal: url, role, mcp, ...calls, ...(trickle && { trickle: 1 }), ...(fragments && { fragments }) });
    }
    const args = ["--role", role, "--mcp", mcp, "--echo", calls.echo, "--big", calls.big, ...(trickle ? ["--trickle"] : [])];
    return process_peer("node", [join(here, "simple_peer.mjs"), url, ...args]);
  };
  return [await start(answer.kind, "answer", answer.mcp), await start(offer.kind, "offer", offer.mcp)];
}

const pairs = {};
for (const server of ["1.14", "1.16"]) {
  for (const client of ["1.14", "1.16"]) {
    pairs[`aiortc ${server} serves aiortc ${client}`] = () => python_pair(server, client);
  }
}
for (const trickle of [false, true]) {
  for (const [mcp, other] of [["client", "server"], ["server", "client"]]) {
    for (const [kind, kind2, size, fragments] of [
      ["node", "node", 200_000],
      ["page", "node", 200_000],
      ["node", "page", 200_000],
      ["page", "page", 1 << 20, 1 << 26],
    ]) {
      const name = `${kind} offers as ${mcp} to ${kind2}${trickle ? ", trickling" : ""}`;
      pairs[name] = () => socket_pair({ kind, mcp }, { kind: kind2, mcp: other }, { trickle, size, fragments });
    }
  }
}

const verbose = process.argv.includes("--verbose");
const wanted = process.argv.slice(2).find((argument) => argument !== "--verbose") ?? "";
for (const [name, start] of Object.entries(pairs).filter(([name]) => name.includes(wanted))) {
  const began = performance.now();
  const pair = await start();
  const limit = new Promise((_, reject) => setTimeout(reject, LIMIT_MS, new Error("out of time")).unref());
  const result = await Promise.race([Promise.all(pair.map(({ ended }) => ended)), limit]).then(
    () => "ok",
    (error) => `FAILED: ${error.message}`,
  );
  await Promise.all(pair.map(({ end }) => end()));
  console.log(`${name}: ${result}, ${Math.round(performance.now() - began)} ms`);
  if (result !== "ok" || verbose) {
    for (const { log } of pair) console.log(log.map((line) => `    ${line}`).join("\n") + "\n");
  }
  if (result !== "ok") process.exitCode = 1;
}
process.exit();
