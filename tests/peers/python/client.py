"""An MCP client on the PyPI packages `mcp` and `mcp-webrtc`, dialling TCP signaling like their README's client.

Each connection initializes, lists the tools and greets; the options add further calls. Tools that the server must
have are called as they are asked for: `greet`, `echo`, `big`, `steps`, `ask`.
"""

import argparse
import json
import time
from contextlib import asynccontextmanager

import anyio
import reporting
from aiortc import RTCCertificate, RTCDataChannel
from aiortc.contrib.signaling import TcpSocketSignaling
from mcp import ClientSession
from mcp.shared.exceptions import McpError
from mcp.types import CreateMessageResult, TextContent
from mcp_webrtc import webrtc_client_transport
from reporting import report


async def model(_context, params) -> CreateMessageResult:
    """Stands in for the language model that a server may ask."""
    question = params.messages[-1].content.text
    return CreateMessageResult(
        role="assistant", model="stand-in", content=TextContent(type="text", text=f"you asked {question!r}")
    )


@asynccontextmanager
async def watched(read, ended: anyio.Event):
    """Passes a stream on and sets `ended` when the far side has closed it."""
    forward, stream = anyio.create_memory_object_stream(0)

    async def pump() -> None:
        async with forward:
            async for message in read:
                await forward.send(message)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pump)
        yield stream
        tasks.cancel_scope.cancel()


async def text_of(session: ClientSession, name: str, **arguments) -> str:
    result = await session.call_tool(name, arguments)
    if result.isError:
        raise RuntimeError(f"{name} answered with an error: {result.content[0].text}")
    return result.content[0].text


async def calls(session: ClientSession, args: argparse.Namespace) -> None:
    began = time.monotonic()
    hello = await session.initialize()
    report("initialize", server=hello.serverInfo.name, protocol=hello.protocolVersion, seconds=time.monotonic() - began)
    listed = await session.list_tools()
    report("list", tools=[tool.name for tool in listed.tools])
    if args.tools is not None:
        for name in args.tools:
            report("call", tool=name, text=await text_of(session, name))
    for size in args.echo:
        text = "é" * (size // 2)
        report("echo", bytes=size, same=await text_of(session, "echo", text=text) == text)
    for size in args.big:
        began = time.monotonic()
        text = await text_of(session, "big", size=size)
        report("big", bytes=len(text.encode()), seconds=time.monotonic() - began)
    for size in args.oversized:
        try:
            await session.call_tool("big", {"size": size})
        except McpError as error:
            report("oversized", code=error.error.code, message=error.error.message, data=error.error.data)
        else:
            raise RuntimeError(f"a result of {size} bytes should have been refused")
        report("after_oversized", text=await text_of(session, "echo", text="still here"))
    for name, arguments in args.call:
        result = await session.call_tool(name, json.loads(arguments))
        report("called", tool=name, error=result.isError, text=result.content[0].text)
    if args.steps:
        seen: list[float] = []

        async def progress(step: float, _total, _message) -> None:
            seen.append(step)

        result = await session.call_tool("steps", {"count": args.steps}, progress_callback=progress)
        report("steps", seen=seen, text=result.content[0].text)
    if args.ask:
        report("ask", text=await text_of(session, "ask", question=args.ask))


def announce_certificates() -> None:
    """Reports every certificate that is made, since each connection has one of its own."""
    generate = RTCCertificate.generateCertificate

    def generate_and_tell() -> RTCCertificate:
        certificate = generate()
        sha256 = [print.value for print in certificate.getFingerprints() if print.algorithm == "sha-256"]
        report("certificate", sha256=sha256[0].upper())
        return certificate

    RTCCertificate.generateCertificate = staticmethod(generate_and_tell)


def announce_messages() -> None:
    """Reports every message once it is on its way."""
    send = RTCDataChannel.send

    def send_and_tell(self, data) -> None:
        send(self, data)
        report("asked")

    RTCDataChannel.send = send_and_tell


async def connect(args: argparse.Namespace) -> None:
    """Makes one connection, to use it or to be turned away."""
    try:
        await connected(args)
    except Exception as error:
        # The package's own task fails if the channel is closed while it hands over a message.
        closed = [isinstance(leaf, anyio.ClosedResourceError) for leaf in leaves(error)]
        if not args.refused or not all(closed):
            raise
    if args.refused:
        report("refused")


def leaves(error: BaseException) -> list[BaseException]:
    """Returns what is in an exception group, or the exception."""
    inner = getattr(error, "exceptions", None)
    return [error] if inner is None else [leaf for one in inner for leaf in leaves(one)]


async def connected(args: argparse.Namespace) -> None:
    ended = anyio.Event()
    async with (
        webrtc_client_transport(TcpSocketSignaling(args.host, args.port)) as (read, write),
        watched(read, ended) as read,
        ClientSession(read, write, sampling_callback=model) as session,
    ):
        if args.refused:
            await refused(session, ended)
            return
        await calls(session, args)
        if args.hold:
            report("holding")
            await ended.wait()


async def refused(session: ClientSession, ended: anyio.Event) -> None:
    """Waits until the server has closed, without an answer to `initialize`."""
    async with anyio.create_task_group() as tasks:

        async def initialize() -> None:
            try:
                hello = await session.initialize()
            except McpError as error:
                report("error", code=error.error.code, message=error.error.message)
            else:
                raise RuntimeError(f"a refused client was answered by {hello.serverInfo.name}")

        tasks.start_soon(initialize)
        await ended.wait()
        tasks.cancel_scope.cancel()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, default=1, help="how many connections to make, one after the other")
    parser.add_argument("--tools", nargs="*", default=["greet"], help="tools to call without arguments")
    parser.add_argument("--echo", type=int, nargs="*", default=[], help="bytes to send and get back")
    parser.add_argument("--big", type=int, nargs="*", default=[], help="bytes of a result to ask for")
    parser.add_argument("--oversized", type=int, nargs="*", default=[], help="bytes of a result that must be refused")
    parser.add_argument("--steps", type=int, default=0, help="how many steps of progress to ask for")
    parser.add_argument("--ask", help="a question that the server shall ask back")
    parser.add_argument("--call", nargs=2, action="append", default=[], metavar=("TOOL", "ARGUMENTS"), help="a tool to call, with arguments as JSON")
    parser.add_argument("--refused", action="store_true", help="expect to be turned away")
    parser.add_argument("--hold", action="store_true", help="wait for the server to close, instead of closing")
    parser.add_argument("--idle", type=float, default=0.0, help="seconds to watch this process's CPU time after the last close")
    args = parser.parse_args()

    announce_certificates()
    if args.refused:
        announce_messages()
    report("start", **reporting.versions())
    for connection in range(args.count):
        await connect(args)
        report("closed", connection=connection)
    await reporting.report_idle(args.idle)


reporting.run(main())
