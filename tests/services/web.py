"""A web service on uvicorn and starlette: web.py PORT. What it was asked goes back in what it answers."""

import asyncio
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

TOKEN = "Bearer s3cret-token"


async def order(request):
    if request.headers.get("authorization") != TOKEN:
        return PlainTextResponse("who are you?\x1b[2J", status_code=401)
    number = request.path_params["number"]
    status = "in the post" if number == "100042" else "unknown"
    return JSONResponse({"order": {"number": number, "status": status, "query": dict(request.query_params)}})


async def reading(request):
    if request.headers.get("authorization") != TOKEN or request.headers["content-type"] != "application/json":
        return Response(status_code=403)
    return JSONResponse({"id": 7, "got": await request.json()}, status_code=201)


async def weather(request):
    place = {name: float(request.query_params[name]) for name in ("latitude", "longitude")}
    return JSONResponse({**place, "current": {"temperature_2m": 7.5}})


async def slow(request):
    await asyncio.sleep(30)
    return PlainTextResponse("late")


async def huge(request):
    async def parts():
        for _ in range(10_000):
            yield b"x" * 1024

    return StreamingResponse(parts(), media_type="text/plain")


routes = [
    Route("/api/orders/{number}", order),
    Route("/api/plants/north/readings", reading, methods=["POST"]),
    Route("/v1/forecast", weather),
    Route("/slow", slow),
    Route("/huge", huge),
    Route("/moved", lambda request: RedirectResponse("/text")),
    Route("/text", lambda request: PlainTextResponse("all \x1b[31mwell\n")),
    Route("/binary", lambda request: Response(b"\xff\xfe\x00", media_type="application/octet-stream")),
    Route("/broken", lambda request: Response(b'{"a": ', media_type="application/json")),
    Route("/deep", lambda request: Response(b"[" * 50_000, media_type="application/json")),
    Route("/down", lambda request: Response(status_code=503)),
]
uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
