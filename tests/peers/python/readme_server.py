"""The server that the README of `mcp-webrtc` shows, for the address in its arguments, with an answer to the call.

The README lists a tool and leaves out what it does; a client that calls what is listed would get an error.
"""

import asyncio
import sys

import reporting
from aiortc.contrib.signaling import TcpSocketSignaling
from mcp.server.lowlevel import Server
from mcp.types import TextContent, Tool
from mcp_webrtc import webrtc_server_transport

app = Server("mcp-greeter")


@app.list_tools()
async def list_tools() -> list[Tool]:
    schema = {"type": "object", "required": [], "properties": {}}
    return [Tool(name="greet", description="Greets the caller", inputSchema=schema)]


@app.call_tool()
async def call_tool(name: str, arguments: dict) -> list[TextContent]:
    return [TextContent(type="text", text="Hello from Python")]


async def main() -> None:
    signaling = TcpSocketSignaling(sys.argv[1], int(sys.argv[2]))
    async with webrtc_server_transport(signaling) as (read, write):
        await app.run(read, write, app.create_initialization_options())


reporting.stay_on_this_machine()
reporting.announce_listeners()
asyncio.run(main())
