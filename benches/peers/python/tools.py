"""An MCP pair: the PyPI packages `mcp` and `mcp-webrtc` on both ends.

    tools.py listen python HOST
    tools.py dial python HOST ADDRESS calls:COUNT
"""

import asyncio
import os
import sys
from time import perf_counter

import peer
from aiortc.contrib.signaling import TcpSocketSignaling
from mcp import ClientSession
from mcp.server.lowlevel import Server
from mcp.types import TextContent, Tool
from mcp_webrtc import webrtc_client_transport, webrtc_server_transport

TEXT = ("0123456789" * 7)[:64]
WARM_UP = 100

app = Server("echo", version="1.0.0")


@app.list_tools()
async def list_tools() -> list[Tool]:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    return [Tool(name="echo", description="Gives the text back", inputSchema=schema)]


@app.call_tool()
async def call_tool(name: str, arguments: dict) -> list[TextContent]:
    return [TextContent(type="text", text=arguments["text"])]


def announce_listener(host):
    """Reports the socket that the signaling opens, since it opens it late and tells nobody."""
    start_server = asyncio.start_server

    async def start_server_and_tell(*arguments, **options):
        server = await start_server(*arguments, **options)
        peer.report(listening=f"{host}:{server.sockets[0].getsockname()[1]}")
        return server

    asyncio.start_server = start_server_and_tell


async def serve(host):
    announce_listener(host)
    async with webrtc_server_transport(TcpSocketSignaling(host, 0)) as (read, write):
        await app.run(read, write, app.create_initialization_options())


async def calls(session, count):
    times, began = [], perf_counter()
    for _ in range(count):
        started = perf_counter()
        await session.call_tool("echo", {"text": TEXT})
        times.append((perf_counter() - started) * 1e6)
    return {"per_s": count / (perf_counter() - began), "p50_us": peer.percentile(times, 0.5)}


async def dial(address, scenarios):
    host, port = address.rsplit(":", 1)
    async with webrtc_client_transport(TcpSocketSignaling(host, int(port))) as (read, write):
        async with ClientSession(read, write) as session:
            await session.initialize()
            await calls(session, WARM_UP)
            for scenario in scenarios:
                try:
                    peer.report(scenario=scenario, figures=await calls(session, int(scenario.split(":")[1])))
                except Exception as error:
                    peer.report(scenario=scenario, error=repr(error))
            # The end of this process is the end of the pair; a clean close is another test's matter.
            os._exit(0)


async def main():
    role, _, host, *rest = sys.argv[1:]
    peer.end_with_standard_input()
    peer.only_address(host)
    if role == "listen":
        await serve(host)
    else:
        await dial(rest[0], rest[1:])


asyncio.run(main())
