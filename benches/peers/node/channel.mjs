// node-datachannel and @roamhq/wrtc as raw data channels.
//
//   channel.mjs listen STACK HOST
//   channel.mjs dial STACK HOST ADDRESS SCENARIO..
//
// Scenarios and messages are those of src/scenario.rs. Messages are binary, the cheapest these packages have.

import { readFileSync } from "node:fs";
import * as lines from "./lines.mjs";

const [role, stack, host, address, ...scenarios] = process.argv.slice(2);

// A sender waits above the one and goes on below the other: what the transport uses as its own window.
const HIGH = 1 << 20;
const LOW = 1 << 18;

const ECHO = 69, COUNT = 68, PIECE = 77, LAST = 49, QUERY = 81, STATISTICS = 83;

// A channel with a queue of received messages, and a promise to wait for where too much is buffered.
class Channel {
  constructor(send, buffered) {
    Object.assign(this, { sendNow: send, buffered, queue: [], waiting: null, drained: [], onmessage: null });
  }
  push(message) {
    if (this.onmessage) return this.onmessage(message);
    if (!this.waiting) return this.queue.push(message);
    const resolve = this.waiting;
    this.waiting = null;
    resolve(message);
  }
  low() {
    this.drained.splice(0).forEach((resolve) => resolve());
  }
  receive() {
    return this.queue.length ? Promise.resolve(this.queue.shift()) : new Promise((resolve) => (this.waiting = resolve));
  }
  // Returns a promise only where the caller has to wait.
  send(message) {
    this.sendNow(message);
    if (this.buffered() <= HIGH) return;
    return new Promise((resolve) => {
      // The event can have come before there was somebody to hear it.
      const look = setInterval(() => this.buffered() <= LOW && done(), 5);
      const done = () => {
        clearInterval(look);
        resolve();
      };
      this.drained.push(done);
    });
  }
}

function nodeDatachannel(offers) {
  const { PeerConnection } = lines.require("node-datachannel");
  const peer = new PeerConnection("peer", { iceServers: [], bindAddress: host, maxMessageSize: 262144 });
  const wrap = (raw) => {
    const channel = new Channel((message) => raw.sendMessageBinary(message), () => raw.bufferedAmount());
    raw.setBufferedAmountLowThreshold(LOW);
    raw.onBufferedAmountLow(() => channel.low());
    raw.onMessage((message) => channel.push(message));
    return channel;
  };
  const gathered = new Promise((resolve) =>
    peer.onGatheringStateChange((state) => state === "complete" && resolve()));
  const description = async () => (await gathered, { sdp: peer.localDescription().sdp, type: offers ? "offer" : "answer" });
  const open = new Promise((resolve) => {
    if (!offers) return peer.onDataChannel((raw) => resolve(wrap(raw)));
    const raw = peer.createDataChannel("mcp");
    const channel = wrap(raw);
    raw.onOpen(() => resolve(channel));
  });
  return {
    open,
    offer: description,
    answer: async (sdp) => (peer.setRemoteDescription(sdp, "offer"), description()),
    accept: async (sdp) => peer.setRemoteDescription(sdp, "answer"),
    close: () => peer.close(),
  };
}

function wrtc(offers) {
  const { RTCPeerConnection } = lines.require("@roamhq/wrtc");
  const peer = new RTCPeerConnection({ iceServers: [] });
  const wrap = (raw) => {
    raw.binaryType = "arraybuffer";
    raw.bufferedAmountLowThreshold = LOW;
    const channel = new Channel((message) => raw.send(message), () => raw.bufferedAmount);
    raw.onbufferedamountlow = () => channel.low();
    raw.onmessage = ({ data }) => channel.push(Buffer.from(data));
    return channel;
  };
  const gathered = () =>
    new Promise((resolve) => {
      const look = () => peer.iceGatheringState === "complete" && resolve();
      peer.onicegatheringstatechange = look;
      look();
    });
  const open = new Promise((resolve) => {
    if (!offers) return (peer.ondatachannel = ({ channel }) => resolve(wrap(channel)));
    const raw = peer.createDataChannel("mcp");
    const channel = wrap(raw);
    raw.onopen = () => resolve(channel);
  });
  const description = async (own) => {
    await peer.setLocalDescription(own);
    await gathered();
    return { sdp: peer.localDescription.sdp, type: peer.localDescription.type };
  };
  return {
    open,
    offer: async () => description(await peer.createOffer()),
    answer: async (sdp) => {
      await peer.setRemoteDescription({ type: "offer", sdp });
      return description(await peer.createAnswer());
    },
    accept: (sdp) => peer.setRemoteDescription({ type: "answer", sdp }),
    close: () => peer.close(),
  };
}

const make = { "node-datachannel": nodeDatachannel, wrtc }[stack];

function statistics(bytes) {
  const { user, system } = process.cpuUsage();
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
  const json = JSON.stringify({ bytes, cpu: (user + system) / 1e6, rss });
  return Buffer.from(String.fromCharCode(STATISTICS) + json);
}

async function serve(link) {
  const offer = await link.receive();
  if (!offer) return;
  const peer = make(false);
  link.send(await peer.answer(offer.sdp));
  const channel = await peer.open;
  let counted = 0;
  let pieces = [];
  channel.onmessage = async (message) => {
    switch (message[0]) {
      case ECHO:
        return channel.sendNow(message);
      case COUNT:
        return (counted += message.length);
      case QUERY:
        channel.sendNow(statistics(counted));
        return (counted = 0);
      case PIECE: {
        pieces.push(Buffer.from(message));
        if (message[1] !== LAST) return;
        const whole = pieces;
        pieces = [];
        for (const piece of whole) await channel.send(piece);
      }
    }
  };
  channel.queue.splice(0).forEach((message) => channel.onmessage(message));
  await link.receive();
  peer.close();
}

async function open() {
  const link = await lines.dial(address);
  const started = lines.now();
  const peer = make(true);
  link.send(await peer.offer());
  await peer.accept((await link.receive()).sdp);
  const channel = await peer.open;
  return { channel, peer, link, took: lines.now() - started };
}

const message = (kind, size) => Buffer.alloc(size, "x").fill(kind, 0, 1);

async function query(channel) {
  await channel.send(message(QUERY, 1));
  for (;;) {
    const answer = await channel.receive();
    if (answer[0] === STATISTICS) return JSON.parse(Buffer.from(answer).subarray(1).toString());
  }
}

async function connect(count) {
  const times = [];
  for (let number = 0; number < count; number++) {
    const { channel, peer, link, took } = await open();
    times.push(took);
    await query(channel);
    peer.close();
    link.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { p50_ms: lines.percentile(times, 0.5), p99_ms: lines.percentile(times, 0.99) };
}

async function echoes(channel, size, count) {
  const ping = message(ECHO, size);
  const times = [];
  for (let number = 0; number < count; number++) {
    const started = lines.now();
    channel.sendNow(ping);
    await channel.receive();
    times.push((lines.now() - started) * 1e3);
  }
  return times;
}

const measure = {
  async "round-trip"(channel, size, count) {
    await echoes(channel, size, count / 10);
    const times = await echoes(channel, size, count);
    return { p50_us: lines.percentile(times, 0.5), p99_us: lines.percentile(times, 0.99) };
  },
  async "in-flight"(channel, size, window, count) {
    const request = message(ECHO, size);
    let sent = 0;
    let answered = 0;
    const send = () => sent < count && (sent++, channel.sendNow(request));
    const started = lines.now();
    await new Promise((resolve) => {
      channel.onmessage = () => (++answered === count ? resolve() : send());
      while (sent < Math.min(window, count)) send();
    });
    channel.onmessage = null;
    return { per_s: (count / (lines.now() - started)) * 1e3 };
  },
  async "one-way"(channel, size, total) {
    const data = message(COUNT, size);
    const count = Math.ceil(total / size);
    await query(channel);
    const started = lines.now();
    for (let number = 0; number < count; number++) {
      const room = channel.send(data);
      if (room) await room;
    }
    const { bytes } = await query(channel);
    const seconds = (lines.now() - started) / 1e3;
    if (bytes !== count * size) throw new Error(`${count * size} bytes sent, ${bytes} arrived`);
    return { mb_s: bytes / 1e6 / seconds };
  },
  async pieces(channel, piece, total, repeats) {
    const count = Math.ceil(total / piece);
    const times = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      const started = lines.now();
      for (let number = 0; number < count; number++) {
        const data = message(PIECE, Math.max(2, Math.min(piece, total - number * piece)));
        if (number + 1 === count) data[1] = LAST;
        const room = channel.send(data);
        if (room) await room;
      }
      for (let number = 0; number < count; number++) await channel.receive();
      times.push(lines.now() - started);
    }
    return { p50_ms: lines.percentile(times, 0.5) };
  },
};

async function main() {
  if (role === "listen") return lines.listen(host, serve);
  let session = null;
  for (const scenario of scenarios) {
    const [name, ...numbers] = scenario.split(":");
    try {
      if (name === "connect") {
        lines.report(scenario, await connect(Number(numbers[0])));
        continue;
      }
      session ??= await open();
      const limit = new Promise((_, reject) => setTimeout(() => reject(new Error("not done after 90 s")), 90_000).unref());
      lines.report(scenario, await Promise.race([measure[name](session.channel, ...numbers.map(Number)), limit]));
    } catch (error) {
      lines.failed(scenario, error);
      session = null;
    }
  }
  process.stdout.write("", () => process.exit());
}

main();
