// An MCP peer in a browser: a plain RTCPeerConnection, signaling over a WebSocket. The page's URL says what it does:
//
//   signal=ws://…            where the signaling is
//   role=offer|answer        who makes the offer (and with it the channel, labelled `mcp`)
//   mcp=client|server
//   fragments=BYTES          announce the fragment extension with this limit; absent: do not, and send none
//   trickle=1                send candidates one by one, in simple-peer's form
//   echo=, big=, oversized=  sizes in bytes, separated by commas, of the calls that a client makes (see mcp.mjs)
//   hold=1                   a client waits for the other side to close instead of closing
//
// What happens is posted to `/report` of the server that the page came from, one JSON object with a `step` each.

import { WHOLE_BYTES, announce, announced, link_over } from "./fragments.mjs";
import { serve, use } from "./mcp.mjs";

const query = new URLSearchParams(location.search);
const sizes = (name) => (query.get(name) ?? "").split(",").filter(Boolean).map(Number);
const take = Number(query.get("fragments") ?? 0);
const trickle = query.has("trickle");

let posted = Promise.resolve();
function report(step, fields = {}) {
  const body = JSON.stringify({ step, ...fields });
  posted = posted.then(() => fetch("/report", { method: "POST", body }));
}

// What goes wrong in an event handler fails the page, as it would fail a program.
addEventListener("error", ({ message }) => report("failed", { error: message }));
addEventListener("unhandledrejection", ({ reason }) => report("failed", { error: `${reason}\n${reason?.stack}` }));

async function open_socket() {
  const socket = new WebSocket(query.get("signal"));
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true });
    socket.addEventListener("error", () => reject(new Error("the signaling cannot be reached")), { once: true });
  });
  return socket;
}

function gathered(connection) {
  return new Promise((resolve) => {
    const check = () => connection.iceGatheringState === "complete" && resolve();
    connection.addEventListener("icegatheringstatechange", check);
    check();
  });
}

/** Connects and gives the open channel, with what the other side announced. */
async function connect(socket, connection) {
  const send = (message) => socket.send(JSON.stringify(message));
  const send_description = async () => {
    await connection.setLocalDescription();
    if (!trickle) await gathered(connection);
    const { type, sdp } = connection.localDescription;
    send({ type, sdp: take > 0 ? announce(sdp, take) : sdp });
  };
  let give = 0;
  socket.addEventListener("message", async ({ data }) => {
    const message = JSON.parse(data);
    report("signal", { type: message.type });
    if (message.type === "candidate") {
      const { candidate, id, label } = message;
      const init = typeof candidate === "object" ? candidate : { candidate, sdpMid: id, sdpMLineIndex: label };
      await connection.addIceCandidate(init);
    } else if (message.type !== "bye") {
      give = announced(message.sdp);
      await connection.setRemoteDescription(message);
      if (message.type === "offer") await send_description();
    }
  });
  if (trickle) {
    connection.addEventListener("icecandidate", ({ candidate }) => candidate && send({ type: "candidate", candidate }));
  }
  const opened = new Promise((resolve) => {
    const settle = (channel) => {
      channel.addEventListener("open", () => resolve(channel), { once: true });
      if (channel.readyState === "open") resolve(channel);
    };
    if (query.get("role") === "offer") settle(connection.createDataChannel("mcp"));
    else connection.addEventListener("datachannel", ({ channel }) => settle(channel), { once: true });
  });
  if (query.get("role") === "offer") await send_description();
  const channel = await opened;
  return { channel, give };
}

async function main() {
  report("start", { browser: navigator.userAgent });
  const socket = await open_socket();
  const connection = new RTCPeerConnection();
  const { channel, give } = await connect(socket, connection);
  // Nothing is awaited between the channel's opening and this, so that no message is missed.
  const largest = connection.sctp.maxMessageSize;
  const whole = give > 0 && take > 0 ? Math.min(largest, WHOLE_BYTES) : largest;
  const link = link_over(channel, { take, give, whole }, report);
  report("connected", { label: channel.label, limit: Number.isFinite(whole) ? whole : null, fragments: give });

  if (query.get("mcp") === "server") {
    await serve(link, report);
  } else {
    await use(link, { echo: sizes("echo"), big: sizes("big"), oversized: sizes("oversized") }, report);
    if (query.has("hold")) {
      report("holding");
      await link.closed;
    }
    channel.close();
  }
  report("messages", { sent: link.sent, received: link.received });
  connection.close();
  if (socket.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify({ type: "bye" }));
    socket.close();
  }
  report("closed");
}

main().then(() => report("done"));
