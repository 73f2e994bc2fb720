// A minimal MCP client and server by plain JSON-RPC, for peers on Node and in a browser that use no MCP SDK.
//
// Both work on a link: `{ send(text), onmessage(text), closed }`, one JSON-RPC message a text, where `closed` is a
// promise. Both tell what happened through `report(step, fields)`, in the same words as the Python peers.

const PROTOCOL_VERSION = "2025-06-18";

const TOOLS = [
  { name: "greet", description: "Greets the caller", inputSchema: { type: "object" } },
  {
    name: "echo",
    description: "Gives the text back",
    inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
  },
  {
    name: "big",
    description: "Gives a text of that many bytes",
    inputSchema: { type: "object", properties: { size: { type: "integer" } }, required: ["size"] },
  },
];

class JsonRpcError extends Error {
  constructor({ code, message, data }) {
    super(message);
    Object.assign(this, { code, data });
  }
}

function seconds_since(began) {
  return (performance.now() - began) / 1000;
}

const byte_length = (text) => new TextEncoder().encode(text).length;

// Two bytes of UTF-8 a character, so that a side that counts characters instead of bytes is found out.
const text_of_bytes = (size) => "é".repeat(size / 2);

/** Answers a client's requests until the link is closed. */
export async function serve(link, report) {
  link.onmessage = (text) => {
    const { id, method, params } = JSON.parse(text);
    if (id === undefined) {
      report("notified", { method });
      return;
    }
    const answer = { jsonrpc: "2.0", id };
    try {
      answer.result = result_of(method, params, report);
    } catch (error) {
      answer.error = { code: error.code ?? -32603, message: error.message };
    }
    link.send(JSON.stringify(answer));
  };
  await link.closed;
}

function result_of(method, params, report) {
  switch (method) {
    case "initialize":
      report("initialize", { client: params.clientInfo.name, protocol: params.protocolVersion });
      return {
        protocolVersion: PROTOCOL_VERSION,
        capabilities: { tools: {} },
        serverInfo: { name: "javascript-peer", version: "1.0.0" },
      };
    case "ping":
      return {};
    case "tools/list":
      report("list", {});
      return { tools: TOOLS };
    case "tools/call":
      return { content: [{ type: "text", text: called(params.name, params.arguments ?? {}, report) }] };
    default:
      throw new JsonRpcError({ code: -32601, message: `there is no method ${method}` });
  }
}

function called(name, { text, size }, report) {
  switch (name) {
    case "greet":
      report("call", { tool: name });
      return "Hello from JavaScript";
    case "echo":
      report("echo", { bytes: byte_length(text) });
      return text;
    case "big":
      report("big", { bytes: size });
      return "x".repeat(size);
    default:
      throw new JsonRpcError({ code: -32602, message: `there is no tool ${name}` });
  }
}

/**
 * Initializes, lists, greets, and makes the calls that are asked for: `echo`, `big` and `oversized` are lists of sizes
 * in bytes; an oversized result must be refused and must leave the session usable.
 */
export async function use(link, { echo = [], big = [], oversized = [] }, report) {
  let requests = 0;
  const waiting = new Map();
  link.onmessage = (text) => {
    const { id, method, result, error } = JSON.parse(text);
    if (method !== undefined) {
      if (id !== undefined) link.send(JSON.stringify({ jsonrpc: "2.0", id, result: {} }));
      return;
    }
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new JsonRpcError(error));
    else resolve(result);
  };
  link.closed.then(() => {
    for (const { reject } of waiting.values()) reject(new Error("the channel was closed before the answer came"));
  });
  const request = (method, params) =>
    new Promise((resolve, reject) => {
      const id = ++requests;
      waiting.set(id, { resolve, reject });
      link.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  const call = async (name, args = {}) => {
    const { content, isError } = await request("tools/call", { name, arguments: args });
    if (isError) throw new Error(`${name} answered with an error: ${content[0].text}`);
    return content[0].text;
  };

  let began = performance.now();
  const hello = await request("initialize", {
    protocolVersion: PROTOCOL_VERSION,
    capabilities: {},
    clientInfo: { name: "javascript-peer", version: "1.0.0" },
  });
  link.send(JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }));
  report("initialize", { server: hello.serverInfo.name, protocol: hello.protocolVersion, seconds: seconds_since(began) });
  const { tools } = await request("tools/list");
  report("list", { tools: tools.map(({ name }) => name) });
  report("call", { tool: "greet", text: await call("greet") });
  for (const size of echo) {
    const text = text_of_bytes(size);
    report("echo", { bytes: byte_length(text), same: (await call("echo", { text })) === text });
  }
  for (const size of big) {
    began = performance.now();
    const result = call("big", { size });
    // Small requests go on being answered while the result is under way.
    await request("ping");
    const pinged = seconds_since(began);
    report("big", { bytes: byte_length(await result), seconds: seconds_since(began), pinged });
  }
  for (const size of oversized) {
    const refused = await call("big", { size }).then(
      () => Promise.reject(new Error(`a result of ${size} bytes should have been refused`)),
      (error) => (error instanceof JsonRpcError ? error : Promise.reject(error)),
    );
    report("oversized", { code: refused.code, message: refused.message, data: refused.data ?? null });
    report("after_oversized", { text: await call("echo", { text: "still here" }) });
  }
}
