"""aiortc as a raw data channel.

    channel.py listen aiortc HOST
    channel.py dial aiortc HOST ADDRESS SCENARIO..

Scenarios and messages are those of src/scenario.rs. Messages are binary.
"""

import asyncio
import json
import os
import resource
import sys
from time import perf_counter

import peer
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

# A sender waits above the one and goes on below the other: what the transport uses as its own window.
HIGH, LOW = 1 << 20, 1 << 18

ECHO, COUNT, QUERY, STATISTICS = b"E"[0], b"D"[0], b"Q"[0], b"S"[0]
SCENARIO_LIMIT = 90


class Channel:
    """A data channel with a queue of received messages, and a send that waits where too much is buffered."""

    def __init__(self, raw):
        self.raw, self.queue, self.low, self.on_message = raw, asyncio.Queue(), asyncio.Event(), None
        raw.bufferedAmountLowThreshold = LOW
        raw.on("message", self.push)
        raw.on("bufferedamountlow", self.low.set)

    def push(self, message):
        if self.on_message:
            self.on_message(message)
        else:
            self.queue.put_nowait(message)

    async def send(self, message):
        self.raw.send(message)
        if self.raw.bufferedAmount > HIGH:
            self.low.clear()
            await self.low.wait()

    async def receive(self):
        return await self.queue.get()


async def read(reader):
    line = await reader.readline()
    return json.loads(line) if line else None


def write(writer, description):
    writer.write((json.dumps({"sdp": description.sdp, "type": description.type}) + "\n").encode())


def statistics(counted):
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with open("/proc/self/status") as status:
        rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return bytes([STATISTICS]) + json.dumps({"bytes": counted, "cpu": usage.ru_utime + usage.ru_stime, "rss": rss}).encode()


async def serve(reader, writer):
    offer = await read(reader)
    if not offer:
        return
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    counted = 0

    @connection.on("datachannel")
    def _(raw):
        def answer(message):
            nonlocal counted
            match message[0]:
                case kind if kind == ECHO:
                    raw.send(message)
                case kind if kind == COUNT:
                    counted += len(message)
                case kind if kind == QUERY:
                    raw.send(statistics(counted))
                    counted = 0

        Channel(raw).on_message = answer

    await connection.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
    await connection.setLocalDescription(await connection.createAnswer())
    write(writer, connection.localDescription)
    await read(reader)
    await connection.close()


async def dial(address):
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    started = perf_counter()
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    raw, is_open = connection.createDataChannel("mcp"), asyncio.Event()
    channel = Channel(raw)
    raw.on("open", is_open.set)
    await connection.setLocalDescription(await connection.createOffer())
    write(writer, connection.localDescription)
    answer = await read(reader)
    await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
    await is_open.wait()
    return channel, connection, writer, (perf_counter() - started) * 1e3


def message(kind, size):
    return bytes([kind]) + b"x" * (size - 1)


async def query(channel):
    await channel.send(message(QUERY, 1))
    while True:
        answer = await channel.receive()
        if answer[0] == STATISTICS:
            return json.loads(answer[1:])


async def connect(address, count):
    times = []
    for _ in range(count):
        channel, connection, writer, took = await dial(address)
        times.append(took)
        await query(channel)
        await connection.close()
        writer.close()
        await asyncio.sleep(0.02)
    return {"p50_ms": peer.percentile(times, 0.5), "p99_ms": peer.percentile(times, 0.99)}


async def echoes(channel, size, count):
    ping, times = message(ECHO, size), []
    for _ in range(count):
        started = perf_counter()
        await channel.send(ping)
        await channel.receive()
        times.append((perf_counter() - started) * 1e6)
    return times


async def round_trip(channel, size, count):
    await echoes(channel, size, count // 10)
    times = await echoes(channel, size, count)
    return {"p50_us": peer.percentile(times, 0.5), "p99_us": peer.percentile(times, 0.99)}


async def in_flight(channel, size, window, count):
    request, started = message(ECHO, size), perf_counter()
    for _ in range(min(window, count)):
        await channel.send(request)
    for answered in range(count):
        await channel.receive()
        if answered + window < count:
            await channel.send(request)
    return {"per_s": count / (perf_counter() - started)}


async def one_way(channel, size, total):
    data, count = message(COUNT, size), -(-total // size)
    await query(channel)
    started = perf_counter()
    for _ in range(count):
        await channel.send(data)
    arrived = (await query(channel))["bytes"]
    seconds = perf_counter() - started
    if arrived != count * size:
        raise ValueError(f"{count * size} bytes sent, {arrived} arrived")
    return {"mb_s": arrived / 1e6 / seconds}


MEASURE = {"round-trip": round_trip, "in-flight": in_flight, "one-way": one_way}


async def main():
    role, _, host, *rest = sys.argv[1:]
    peer.end_with_standard_input()
    peer.only_address(host)
    if role == "listen":
        server = await asyncio.start_server(serve, host, 0)
        peer.report(listening=f"{host}:{server.sockets[0].getsockname()[1]}")
        await server.serve_forever()
    address, *scenarios = rest
    channel = None
    for scenario in scenarios:
        name, *numbers = scenario.split(":")
        numbers = [int(number) for number in numbers]
        try:
            if name == "connect":
                figures = await connect(address, *numbers)
            else:
                if channel is None:
                    channel, *kept = await dial(address)
                figures = await asyncio.wait_for(MEASURE[name](channel, *numbers), SCENARIO_LIMIT)
            peer.report(scenario=scenario, figures=figures)
        except Exception as error:
            peer.report(scenario=scenario, error=repr(error))
            channel = None
    os._exit(0)


asyncio.run(main())
