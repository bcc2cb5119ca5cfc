"""An MCP server over stdio that misbehaves in the way its first argument says. Standard library alone."""

import json
import os
import subprocess
import sys
import time

way, trace = sys.argv[1], sys.argv[2]


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def note(line):
    with open(trace, "a") as file:
        file.write(line + "\n")


def text(words):
    return {"content": [{"type": "text", "text": words}]}


TOOLS = ["act", "late", "child"]
note("start " + " ".join(sorted(name for name in os.environ if not name.startswith("LC_"))))
note("token of " + str(len(os.environ.get("TOKEN", ""))))
if way == "mute":
    time.sleep(3600)
for line in sys.stdin:
    message = json.loads(line)
    method, number = message.get("method"), message.get("id")
    answer = lambda result: say({"jsonrpc": "2.0", "id": number, "result": result})
    if method == "initialize":
        if way == "chatty":
            print("Starting up, \x1b[31mnot JSON\x07", flush=True)
            sys.stderr.write("\x1b]0;title\x07noise\n" * 300)
        version = message["params"]["protocolVersion"]
        capabilities = {"tools": {"listChanged": True}}
        answer({"protocolVersion": version, "capabilities": capabilities, "serverInfo": {"name": way, "version": "1"}})
    elif method == "tools/list":
        schema = {"type": "object", "properties": {"what": {"type": "string"}}}
        answer({"tools": [{"name": name, "inputSchema": schema} for name in TOOLS]})
    elif method == "notifications/cancelled":
        note("cancelled")
    elif method == "tools/call":
        name = message["params"]["name"]
        note("call " + name)
        if name == "child":
            subprocess.Popen(["sleep", message["params"]["arguments"]["what"]])
            answer(text("started"))
        elif way == "crash":
            os._exit(3)
        elif way == "huge":
            answer(text("x" * 4_000_000))
        elif way == "endless":
            while True:
                sys.stdout.write("x" * 1_000_000)
        elif way == "nonsense":
            print("{\"jsonrpc\": \"2.0\", \"id\": %s, \"result\": [" % number, flush=True)
            say({"jsonrpc": "2.0", "id": 99, "result": text("of another call")})
            say({"jsonrpc": "2.0", "id": number, "result": 7})
        elif way == "hang":
            pass
        elif way == "grows":
            TOOLS.append("more")
            say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            answer(text("grown"))
        else:
            say({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 0, "progress": 1}})
            answer(text("done \x1b[2Jwell"))
