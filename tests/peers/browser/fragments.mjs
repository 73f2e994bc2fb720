// The fragment extension over an RTCDataChannel: messages larger than a data channel message, in pieces.
//
// A peer announces it by the session-level SDP line `a=x-mcp-fragments:1 <max bytes>`. Towards such a peer a message
// above 65,536 bytes goes as binary messages: u8 version = 1 | u8 flags (bit 0: last) | u32 BE message
// number | payload. Pieces of different messages may interleave.

const HEADER_BYTES = 6;
const VERSION = 1;
const LAST = 1;
// Small enough that every implementation takes it (65,536 is what an absent `max-message-size` means).
const PIECE_BYTES = 60 * 1024;
// What the channel may buffer before the page waits: enough to keep it busy, not enough to hold a ping up.
const BUFFERED_BYTES = 256 * 1024;
const MAX_UNFINISHED = 16;
/** No single message is larger where both sides speak the extension, whatever their `max-message-size` says. */
export const WHOLE_BYTES = 65536;

/** Writes the announcement into an SDP, after the session's other lines. */
export function announce(sdp, max_bytes) {
  return sdp.replace("\r\nm=", `\r\na=x-mcp-fragments:1 ${max_bytes}\r\nm=`);
}

/** The largest message that the writer of an SDP takes in fragments, or 0 if it announces no fragments. */
export function announced(sdp) {
  const session = sdp.split("\r\nm=", 1)[0];
  return Number(/^a=x-mcp-fragments:1 (\d+)\s*$/m.exec(session)?.[1] ?? 0);
}

/**
 * A link (see mcp.mjs) over an open channel: `take` is the largest message that this side has announced, `give` the
 * largest that the other side has, both 0 for none; `whole` is the largest message that goes unfragmented.
 */
export function link_over(channel, { take, give, whole }, report) {
  const sending = [];
  const receiving = new Map();
  let number = 0;
  const link = { onmessage: undefined, sent: { text: 0, fragments: 0 }, received: { text: 0, fragments: 0 } };
  link.closed = new Promise((resolve) => channel.addEventListener("close", resolve, { once: true }));

  const fail = (error) => {
    report("violation", { error });
    channel.close();
  };

  // A piece of each unfinished message in turn, so that none waits for another.
  const pump = () => {
    while (sending.length > 0 && channel.readyState === "open" && channel.bufferedAmount < BUFFERED_BYTES) {
      const message = sending.shift();
      const payload = message.bytes.subarray(message.offset, message.offset + PIECE_BYTES);
      message.offset += payload.length;
      const last = message.offset === message.bytes.length;
      const piece = new Uint8Array(HEADER_BYTES + payload.length);
      new DataView(piece.buffer).setUint8(0, VERSION);
      new DataView(piece.buffer).setUint8(1, last ? LAST : 0);
      new DataView(piece.buffer).setUint32(2, message.number);
      piece.set(payload, HEADER_BYTES);
      channel.send(piece);
      link.sent.fragments += 1;
      if (!last) sending.push(message);
    }
  };
  channel.bufferedAmountLowThreshold = BUFFERED_BYTES / 2;
  channel.addEventListener("bufferedamountlow", pump);

  link.send = (text) => {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length <= whole) {
      channel.send(text);
      link.sent.text += 1;
      return;
    }
    if (bytes.length > give) throw new Error(`a message of ${bytes.length} bytes is over the peer's ${give}`);
    sending.push({ number: number++, bytes, offset: 0 });
    pump();
  };

  const deliver = (text) => link.onmessage(text);
  channel.binaryType = "arraybuffer";
  channel.addEventListener("message", ({ data }) => {
    if (typeof data === "string") {
      link.received.text += 1;
      deliver(data);
      return;
    }
    link.received.fragments += 1;
    const piece = new DataView(data);
    if (take === 0) return fail("a binary message, though no fragments were announced");
    if (data.byteLength < HEADER_BYTES) return fail(`a fragment of ${data.byteLength} bytes`);
    if (piece.getUint8(0) !== VERSION) return fail(`a fragment of version ${piece.getUint8(0)}`);
    const of_message = piece.getUint32(2);
    const pieces = receiving.get(of_message) ?? [];
    pieces.push(new Uint8Array(data, HEADER_BYTES));
    if (pieces.reduce((sum, { length }) => sum + length, 0) > take) return fail(`a message over ${take} bytes`);
    if (piece.getUint8(1) & LAST) {
      receiving.delete(of_message);
      const decoder = new TextDecoder("utf-8", { fatal: true });
      deliver(pieces.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode());
    } else {
      receiving.set(of_message, pieces);
      if (receiving.size > MAX_UNFINISHED) fail(`${receiving.size} unfinished messages`);
    }
  });
  return link;
}
