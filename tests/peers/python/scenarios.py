"""An MCP client on the stdio client of the PyPI package `mcp`: plays one scenario with the server that a command starts.

    scenarios.py SCENARIO COMMAND [ARGUMENT...]

Each scenario sends the same messages whenever the server says the same, so that recordings of two runs can be compared.
Scenarios with `everything` in their description need npm `server-everything`; `roots` takes a folder in ROOT.
"""

import inspect
import os
import sys
from contextlib import asynccontextmanager

import anyio
import reporting
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import McpError
from reporting import report

# What the recordings of server-everything's long operation take; seconds.
STEP_SECONDS = 0.1


class Seen:
    """What the server sent by itself."""

    def __init__(self) -> None:
        self.changed = anyio.Event()
        self.messages: list[str] = []

    def add(self, what: str) -> None:
        self.messages.append(what)
        self.changed.set()
        self.changed = anyio.Event()

    async def until(self, what: str, count: int = 1) -> None:
        while self.messages.count(what) < count:
            await self.changed.wait()


@asynccontextmanager
async def client(command: list[str], seen: Seen | None = None, **callbacks):
    """Initializes a client; `seen` collects notifications by method."""

    async def message(message) -> None:
        if seen is not None and isinstance(message, types.ServerNotification):
            seen.add(message.root.method)
        if isinstance(message, Exception):
            raise message

    # The whole environment goes to the server, as it would from a shell.
    parameters = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    info = types.Implementation(name="scenarios", version="1.0.0")
    async with (
        stdio_client(parameters) as (read, write),
        ClientSession(read, write, message_handler=message, client_info=info, **callbacks) as session,
    ):
        hello = await session.initialize()
        report("initialized", server=hello.serverInfo.name, protocol=hello.protocolVersion)
        yield session


def texts(result: types.CallToolResult) -> list[str]:
    return [content.text if content.type == "text" else content.type for content in result.content]


async def call(session: ClientSession, tool: str, **arguments) -> list[str]:
    result = await session.call_tool(tool, arguments)
    report("called", tool=tool, error=result.isError)
    return texts(result)


async def pages(name: str, ask, items: str) -> None:
    """Lists everything, page by page."""
    cursor = None
    count = 0
    while True:
        listed = await ask(params=types.PaginatedRequestParams(cursor=cursor))
        count += len(getattr(listed, items))
        cursor = listed.nextCursor
        if cursor is None:
            break
    report("listed", what=name, count=count)


async def lists(command: list[str]) -> None:
    """Lists all that the server says it has, and pings it."""
    async with client(command) as session:
        await session.send_ping()
        has = session.get_server_capabilities()
        if has.tools:
            await pages("tools", session.list_tools, "tools")
        if has.resources:
            await pages("resources", session.list_resources, "resources")
            await pages("templates", session.list_resource_templates, "resourceTemplates")
        if has.prompts:
            await pages("prompts", session.list_prompts, "prompts")


async def progress(command: list[str]) -> None:
    """everything: a call that reports progress."""
    steps: list[tuple[float, float | None]] = []

    async def step(progress: float, total: float | None, _message: str | None) -> None:
        steps.append((progress, total))

    async with client(command) as session:
        result = await session.call_tool(
            "trigger-long-running-operation",
            {"duration": 5 * STEP_SECONDS, "steps": 5},
            progress_callback=step,
        )
        assert steps == [(n, 5.0) for n in (1.0, 2.0, 3.0, 4.0, 5.0)], steps
        report("progress", steps=len(steps), text=texts(result))


async def cancellation(command: list[str]) -> None:
    """everything: a long call is cancelled after its first progress; no answer comes, and the session goes on."""
    begun = anyio.Event()
    answered: list[types.CallToolResult] = []

    async def step(_progress: float, _total: float | None, _message: str | None) -> None:
        begun.set()

    async with client(command) as session:

        async def long_call() -> None:
            answered.append(
                await session.call_tool(
                    "trigger-long-running-operation", {"duration": 1.5, "steps": 3}, progress_callback=step
                )
            )

        async with anyio.create_task_group() as tasks:
            id_of_call = session._request_id
            tasks.start_soon(long_call)
            await begun.wait()
            cancelled = types.CancelledNotification(
                params=types.CancelledNotificationParams(requestId=id_of_call, reason="not needed any more")
            )
            await session.send_notification(types.ClientNotification(cancelled))
            # The server runs its tool to the end and drops the result; a later answer passes it.
            other = await session.call_tool("trigger-long-running-operation", {"duration": 1.5, "steps": 1})
            assert answered == [], answered
            tasks.cancel_scope.cancel()
        report("after", text=texts(other))


async def logging(command: list[str]) -> None:
    """everything: the level is set, log messages come."""
    seen = Seen()
    async with client(command, seen) as session:
        await session.set_logging_level("debug")
        await call(session, "toggle-simulated-logging")
        await seen.until("notifications/message")
        await call(session, "toggle-simulated-logging")
        await session.set_logging_level("emergency")


async def subscriptions(command: list[str]) -> None:
    """everything: two resources are subscribed to, both are told to have changed; one of them no more after that."""
    seen = Seen()
    first, second = "demo://resource/dynamic/text/1", "demo://resource/dynamic/blob/2"
    async with client(command, seen) as session:
        await session.subscribe_resource(first)
        await session.subscribe_resource(second)
        await call(session, "toggle-subscriber-updates")
        await seen.until("notifications/resources/updated", 2)
        await session.unsubscribe_resource(second)
        await call(session, "toggle-subscriber-updates")
        await call(session, "toggle-subscriber-updates")
        await seen.until("notifications/resources/updated", 3)
        await call(session, "toggle-subscriber-updates")
        report("seen", messages=sorted(seen.messages))


async def completion(command: list[str]) -> None:
    """everything: arguments of a prompt and of a resource template are completed."""
    async with client(command) as session:
        prompt = types.PromptReference(type="ref/prompt", name="completable-prompt")
        for argument, context in (
            ({"name": "department", "value": "S"}, None),
            ({"name": "name", "value": ""}, {"department": "Sales"}),
        ):
            result = await session.complete(prompt, argument, context)
            report("completed", values=result.completion.values)
        template = types.ResourceTemplateReference(type="ref/resource", uri="demo://resource/dynamic/text/{resourceId}")
        result = await session.complete(template, {"name": "resourceId", "value": "7"})
        report("completed", values=result.completion.values)


async def sampling(command: list[str]) -> None:
    """everything: the server asks this side's model, which answers, and then refuses."""

    async def model(_context, params: types.CreateMessageRequestParams):
        question = params.messages[-1].content.text
        if "refuse" in question:
            return types.ErrorData(code=-1, message="the user does not want that")
        answer = types.TextContent(type="text", text=f"you asked {question!r}")
        return types.CreateMessageResult(role="assistant", model="stand-in", stopReason="endTurn", content=answer)

    async with client(command, sampling_callback=model) as session:
        report("answer", text=await call(session, "trigger-sampling-request", prompt="why\u2028é?", maxTokens=50))
        report("refused", text=await call(session, "trigger-sampling-request", prompt="refuse", maxTokens=50))


async def elicitation(command: list[str]) -> None:
    """everything: the server asks this side's user, who fills the form in, declines, and cancels."""
    answers = [
        types.ElicitResult(action="accept", content={"name": "Zoë", "check": True, "integer": 7, "number": 2.5}),
        types.ElicitResult(action="decline"),
        types.ElicitResult(action="cancel"),
    ]
    coming = iter(answers)

    async def user(_context, _params) -> types.ElicitResult:
        return next(coming)

    async with client(command, elicitation_callback=user) as session:
        for _ in answers:
            report("elicited", text=await call(session, "trigger-elicitation-request"))


async def large(command: list[str]) -> None:
    """everything: messages over the size of any data channel message, both ways, one of them beside a small call."""
    async with client(command) as session:
        # Two, three and four bytes a character, line separators and what JSON escapes.
        unit = 'é€😀\u2028\u0000"\\\n '
        for size in (200_000, 1 << 20, 5 << 20):
            text = unit * (size // len(unit.encode()))
            echoed = await call(session, "echo", message=text)
            report("large", bytes=len(text.encode()), same=echoed == [f"Echo: {text}"])
        await call(session, "get-tiny-image")


async def errors(command: list[str]) -> None:
    """everything: what a client gets wrong is answered with the server's own errors, and the session goes on."""

    async def wrong(request, result=types.EmptyResult) -> None:
        try:
            answer = await session.send_request(types.ClientRequest(request), result)
            report("wrong", is_error=getattr(answer, "isError", None))
        except McpError as error:
            report("wrong", code=error.error.code)

    async with client(command) as session:
        tool = types.CallToolRequestParams
        await wrong(types.CallToolRequest(params=tool(name="get-sum", arguments={"a": "x"})), types.CallToolResult)
        await wrong(types.CallToolRequest(params=tool(name="get-sum")), types.CallToolResult)
        read = types.ReadResourceRequestParams
        await wrong(types.ReadResourceRequest(params=read(uri="demo://nothing/here")), types.ReadResourceResult)
        prompt = types.GetPromptRequestParams
        await wrong(types.GetPromptRequest(params=prompt(name="no-such-prompt")), types.GetPromptResult)
        await wrong(types.GetPromptRequest(params=prompt(name="args-prompt", arguments={})), types.GetPromptResult)
        report("after", text=await call(session, "echo", message="still here"))


async def roots(command: list[str]) -> None:
    """A client that offers a root, ROOT, and later says that its roots have changed. It reports how often it was asked
    for them, which tools there are, and whether the folders of server-filesystem have ever been the agent's."""
    asked = 0

    async def list_roots(_context) -> types.ListRootsResult:
        nonlocal asked
        asked += 1
        return types.ListRootsResult(roots=[types.Root(uri=f"file://{os.environ['ROOT']}", name="the agent's")])

    async def watch(session: ClientSession, tools: list[str]) -> bool:
        if "trigger-long-running-operation" in tools:
            # server-everything asks 350 ms after the beginning. Its own clock tells when that is over.
            await session.call_tool("trigger-long-running-operation", {"duration": 0.5, "steps": 1})
        if "list_allowed_directories" not in tools:
            return False
        # If it asks, it replaces its folders some time after it was answered; it asks long before that many calls are over.
        calls = 0
        with anyio.move_on_after(30):
            while calls < 50 or asked > 0:
                calls += 1
                result = await session.call_tool("list_allowed_directories", {})
                if any(os.environ["ROOT"] in text for text in texts(result)):
                    return True
        return False

    async with client(command, list_roots_callback=list_roots) as session:
        tools = [tool.name for tool in (await session.list_tools()).tools]
        report("at_first", replaced=await watch(session, tools), asked=asked, tools=tools)
        await session.send_roots_list_changed()
        report("changed", replaced=await watch(session, tools), asked=asked)


SCENARIOS = {
    name: function
    for name, function in list(globals().items())
    if inspect.iscoroutinefunction(function) and list(inspect.signature(function).parameters) == ["command"]
}

reporting.run(SCENARIOS[sys.argv[1]](sys.argv[2:]))
