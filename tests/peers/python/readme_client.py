"""The client that the README of `mcp-webrtc` shows, for the address in its arguments."""

import asyncio
import sys

import reporting
from aiortc.contrib.signaling import TcpSocketSignaling
from mcp import ClientSession
from mcp_webrtc import webrtc_client_transport


async def main() -> None:
    signaling = TcpSocketSignaling(sys.argv[1], int(sys.argv[2]))
    async with webrtc_client_transport(signaling) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        result = await session.list_tools()
        print(result.tools)


reporting.stay_on_this_machine()
asyncio.run(main())
