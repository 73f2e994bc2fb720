// An MCP pair: the TypeScript SDK on simple-peer and @roamhq/wrtc, with a transport as thin as the reference package's.
//
//   tools.mjs listen typescript HOST
//   tools.mjs dial typescript HOST ADDRESS calls:COUNT

import * as lines from "./lines.mjs";

const [role, , host, address, ...scenarios] = process.argv.slice(2);
const TEXT = "0123456789".repeat(7).slice(0, 64);
const WARM_UP = 100;

const SimplePeer = lines.require("simple-peer");
const wrtc = lines.require("@roamhq/wrtc");

// One offer, one answer, then a peer that is connected.
async function meet(link, initiator) {
  const peer = new SimplePeer({ wrtc, initiator, trickle: false, config: { iceServers: [] } });
  peer.on("signal", (signal) => link.send(signal));
  const connected = new Promise((resolve, reject) => peer.once("connect", resolve).once("error", reject));
  peer.signal(await link.receive());
  await connected;
  return peer;
}

// A message is one text message of the channel.
class PeerTransport {
  constructor(peer) {
    this.peer = peer;
  }
  async start() {
    this.peer.on("data", (data) => this.onmessage?.(JSON.parse(data.toString())));
    this.peer.on("close", () => this.onclose?.());
    this.peer.on("error", (error) => this.onerror?.(error));
  }
  async send(message) {
    this.peer.send(JSON.stringify(message));
  }
  async close() {
    this.peer.destroy();
  }
}

async function serve(link) {
  const { McpServer } = lines.require("@modelcontextprotocol/sdk/server/mcp.js");
  const { z } = lines.require("zod");
  const server = new McpServer({ name: "echo", version: "1.0.0" });
  server.registerTool("echo", { description: "Gives the text back", inputSchema: { text: z.string() } }, ({ text }) => ({
    content: [{ type: "text", text }],
  }));
  await server.connect(new PeerTransport(await meet(link, false)));
}

async function calls(client, count) {
  const times = [];
  const began = lines.now();
  for (let number = 0; number < count; number++) {
    const started = lines.now();
    await client.callTool({ name: "echo", arguments: { text: TEXT } });
    times.push((lines.now() - started) * 1e3);
  }
  return { per_s: (count / (lines.now() - began)) * 1e3, p50_us: lines.percentile(times, 0.5) };
}

async function main() {
  if (role === "listen") return lines.listen(host, serve);
  const { Client } = lines.require("@modelcontextprotocol/sdk/client/index.js");
  const client = new Client({ name: "caller", version: "1.0.0" });
  await client.connect(new PeerTransport(await meet(await lines.dial(address), true)));
  await calls(client, WARM_UP);
  for (const scenario of scenarios) {
    try {
      lines.report(scenario, await calls(client, Number(scenario.split(":")[1])));
    } catch (error) {
      lines.failed(scenario, error);
    }
  }
  process.stdout.write("", () => process.exit());
}

main();
