"""An MCP server on the PyPI packages `mcp` and `mcp-webrtc`, listening for TCP signaling like their README's server.

The transport serves one client; `--count` serves that many, one after the other, each on a new transport that
listens anew, on another port if the port is 0. Every `listening` line names it.
"""

import argparse

import reporting
from aiortc.contrib.signaling import TcpSocketSignaling
from mcp.server.lowlevel import Server
from mcp.types import SamplingMessage, TextContent, Tool
from mcp_webrtc import webrtc_server_transport
from reporting import report

app = Server("python-peer", version="1.0.0")


def tool(name: str, description: str, **arguments: str) -> Tool:
    properties = {argument: {"type": kind} for argument, kind in arguments.items()}
    schema = {"type": "object", "properties": properties, "required": list(arguments)}
    return Tool(name=name, description=description, inputSchema=schema)


@app.list_tools()
async def list_tools() -> list[Tool]:
    return [
        tool("greet", "Greets the caller"),
        tool("echo", "Gives the text back", text="string"),
        tool("big", "Gives a text of that many bytes", size="integer"),
        tool("steps", "Reports that many steps of progress, then ends", count="integer"),
        tool("ask", "Has the caller's model answer a question", question="string"),
    ]


@app.call_tool()
async def call_tool(name: str, arguments: dict) -> list[TextContent]:
    session = app.request_context.session
    match name:
        case "greet":
            text = "Hello from Python"
        case "echo":
            text = arguments["text"]
        case "big":
            text = "x" * arguments["size"]
        case "steps":
            count, meta = arguments["count"], app.request_context.meta
            for step in range(1, count + 1):
                await session.send_progress_notification(meta.progressToken, step, count)
            text = f"{count} steps"
        case "ask":
            question = SamplingMessage(role="user", content=TextContent(type="text", text=arguments["question"]))
            answer = await session.create_message([question], max_tokens=100)
            text = f"the model said: {answer.content.text}"
        case _:
            raise ValueError(f"there is no tool {name}")
    return [TextContent(type="text", text=text)]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, default=1, help="how many clients to serve, one after the other")
    parser.add_argument("--idle", type=float, default=0.0, help="seconds to watch this process's CPU time after the last close")
    args = parser.parse_args()

    report("start", **reporting.versions())
    reporting.announce_listeners()
    for connection in range(args.count):
        async with webrtc_server_transport(TcpSocketSignaling(args.host, args.port)) as (read, write):
            report("signaled", connection=connection)
            await app.run(read, write, app.create_initialization_options())
        report("closed", connection=connection)
    await reporting.report_idle(args.idle)


reporting.run(main())
