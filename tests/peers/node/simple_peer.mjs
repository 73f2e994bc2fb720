// An MCP peer on simple-peer and @roamhq/wrtc, signaling over a WebSocket with the objects that simple-peer emits.
//
//   simple_peer.mjs URL --role offer|answer --mcp client|server [--trickle] [--hang-up]
//                   [--echo BYTES,..] [--big BYTES,..] [--oversized BYTES,..] [--hold] [--idle SECONDS]
//
// Prints one JSON object a line, each with a `step`. The packages are read from the folder that tests/peers/setup fills.

import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { serve, use } from "../browser/mcp.mjs";

const require = createRequire(`${process.env.GATELODGE_PEERS}/node/package.json`);
const SimplePeer = require("simple-peer");
const WebSocket = require("ws");
const wrtc = require("@roamhq/wrtc");

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    role: { type: "string" },
    mcp: { type: "string" },
    trickle: { type: "boolean", default: false },
    // Close the WebSocket as soon as the channel is open, as an application may do that needs no signaling any more.
    "hang-up": { type: "boolean", default: false },
    echo: { type: "string", default: "" },
    big: { type: "string", default: "" },
    oversized: { type: "string", default: "" },
    // Wait for the other side to close instead of closing.
    hold: { type: "boolean", default: false },
    // Seconds to watch this process's CPU time after the close.
    idle: { type: "string", default: "0" },
  },
});

const report = (step, fields = {}) => console.log(JSON.stringify({ step, ...fields }));
const sizes = (list) => list.split(",").filter(Boolean).map(Number);

async function main() {
  report("start", {
    node: process.versions.node,
    "simple-peer": require("simple-peer/package.json").version,
    wrtc: require("@roamhq/wrtc/package.json").version,
  });
  const socket = new WebSocket(positionals[0]);
  const opened = new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));

  // No ICE servers: the tests stay on this machine.
  const peer = new SimplePeer({
    wrtc,
    initiator: options.role === "offer",
    trickle: options.trickle,
    config: { iceServers: [] },
  });
  peer.on("signal", async (data) => {
    await opened;
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(data));
  });
  // Before anything is waited for: an offer may come together with the WebSocket's opening.
  socket.on("message", (data) => {
    const message = JSON.parse(data);
    report("signal", { type: message.type });
    if (message.type !== "bye") peer.signal(message);
  });

  const link = {
    send: (text) => peer.send(text),
    onmessage: undefined,
    closed: new Promise((resolve) => peer.once("close", resolve)),
  };
  // What arrives before there is somebody to read it is kept.
  const early = [];
  peer.on("data", (data) => (link.onmessage ? link.onmessage(data.toString()) : early.push(data.toString())));
  const connected = new Promise((resolve, reject) => peer.once("connect", resolve).once("error", reject));
  await Promise.all([opened, connected]);
  // An abort of the channel by the other side is reported as an error too; `close` follows.
  peer.on("error", (error) => report("peer_error", { error: String(error) }));
  report("connected", { label: peer.channelName, limit: peer._pc.sctp?.maxMessageSize ?? null });
  if (options["hang-up"]) socket.close();

  if (options.mcp === "server") {
    const served = serve(link, report);
    early.splice(0).forEach((text) => link.onmessage(text));
    await served;
  } else {
    const { echo, big, oversized } = options;
    await use(link, { echo: sizes(echo), big: sizes(big), oversized: sizes(oversized) }, report);
    if (options.hold) {
      report("holding");
      await link.closed;
    }
    peer.destroy();
    await link.closed;
  }
  socket.close();
  report("closed");

  const seconds = Number(options.idle);
  if (seconds > 0) {
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const { user, system } = process.cpuUsage(before);
    report("idle", { seconds, cpu: (user + system) / 1e6 });
  }
}

main().then(
  () => {
    report("done");
    process.exitCode = 0;
  },
  (error) => {
    console.error(error);
    report("failed", { error: String(error) });
    process.exitCode = 1;
  },
).finally(() => {
  // The WebRTC threads keep the event loop alive; what was printed is flushed first.
  process.stdout.write("", () => process.exit());
});
