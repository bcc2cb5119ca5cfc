"""A Model Context Protocol server on the official SDK: parts.py stdio TRACE | parts.py PORT TRACE."""

import sys
from typing import Any, Literal

import anyio
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

way, trace = sys.argv[1], sys.argv[2]
server = MCPServer("parts")


class Place(BaseModel):
    hall: str
    shelf: int | None = None


class Stock(BaseModel):
    part: str
    count: int
    place: Place


def note(line: str) -> None:
    with open(trace, "a") as file:
        file.write(line + "\n")


@server.tool()
def torque(size: Literal["M6", "M8", "M10"], grade: float | None = None) -> str:
    """Tightening torque of a metric bolt."""
    note(f"torque {size}")
    return f"{ {'M6': 10, 'M8': 25, 'M10': 49}[size] } Nm for {size}, grade {grade or 8.8}"


@server.tool()
def stock(part: str = Field(min_length=2, max_length=20), place: Place | None = None) -> Stock:
    """How many of a part there are."""
    return Stock(part=part, count=12, place=place or Place(hall="north"))


@server.tool(structured_output=False)
def label(part: str) -> Any:
    """The label of a part, as a picture."""
    return [f"label of {part}", Image(data=b"\x89PNG" * 1024, format="png")]


@server.tool()
def order(filter: dict[str, Any]) -> str:
    """Takes anything."""
    return f"ordered {sorted(filter)}"


@server.tool()
def wipe() -> str:
    """Forgets everything."""
    raise ToolError("nothing is forgotten here")


@server.tool()
async def count_all(ctx: Context) -> str:
    """Counts everything, which takes a minute."""
    note("counting")
    try:
        for step in range(600):
            await ctx.report_progress(step, 600)
            await anyio.sleep(0.1)
    except anyio.get_cancelled_exc_class():
        note("given up")
        raise
    return "counted"


if way == "stdio":
    server.run("stdio")
else:
    server.run("streamable-http", host="127.0.0.1", port=int(way))
