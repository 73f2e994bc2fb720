"""What both Python peers share: reports on standard output, their own idleness, and no contact with the outside.

A peer prints one JSON object a line, each with a `step`, and nothing else; the harness reads those lines.
"""

import asyncio
import json
import logging
import resource
import sys
import time
from importlib.metadata import version

from aioice import ice
from aiortc import RTCIceGatherer


def stay_on_this_machine() -> None:
    """Keeps aiortc from asking anybody outside, and has it offer the loopback address where there is no other.

    By default it asks a public STUN server for the machine's address, and never offers the loopback one.
    """
    host_addresses = ice.get_host_addresses
    ice.get_host_addresses = lambda use_ipv4, use_ipv6: host_addresses(use_ipv4, use_ipv6) or ["127.0.0.1"]
    RTCIceGatherer.getDefaultIceServers = staticmethod(lambda: [])


def announce_listeners() -> None:
    """Reports every socket that the signaling opens, since it opens it late and tells nobody."""
    start_server = asyncio.start_server

    async def start_server_and_tell(*arguments, **options):
        server = await start_server(*arguments, **options)
        report("listening", port=server.sockets[0].getsockname()[1])
        return server

    asyncio.start_server = start_server_and_tell


logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")


def report(step: str, **fields) -> None:
    """Prints one step as a line of JSON."""
    print(json.dumps({"step": step, **fields}), flush=True)


def versions() -> dict[str, str]:
    """The versions that a reader of a failed test wants to know."""
    return {name: version(name) for name in ("mcp-webrtc", "mcp", "aiortc")}


def cpu_seconds() -> float:
    """User and system time that this process has used so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def report_idle(seconds: float) -> None:
    """Does nothing for `seconds` and reports how much CPU time that took.

    A peer whose signaling connection ended without `bye` reads the end of file over and over, without ever
    giving way to another task. The timer then never fires, no `idle` is reported, and the harness notices;
    a peer that spins and does give way shows in `cpu`.
    """
    if seconds <= 0:
        return
    wall, cpu = time.monotonic(), cpu_seconds()
    await asyncio.sleep(seconds)
    report("idle", seconds=time.monotonic() - wall, cpu=cpu_seconds() - cpu)


def explain(error: BaseException) -> str:
    """The leaves of an exception group, since its own message names none of them."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(explain(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"


def run(main) -> None:
    """Runs a peer to its end: exit code 0 after `done`, 1 after `failed`."""
    stay_on_this_machine()
    try:
        asyncio.run(main)
    except BaseException as error:
        logging.exception("the peer failed")
        report("failed", error=explain(error))
        sys.exit(1)
    report("done")
