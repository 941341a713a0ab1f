"""A worker of your own, complete and without a framework: see docs/bring-your-own.md."""

import json
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from socketserver import ThreadingMixIn
from urllib.request import Request, urlopen
from wsgiref.simple_server import WSGIServer, make_server

ABOUT = {"engine": "plain-python", "versions": {"worker": "1"}, "recovery": "native"}
ABOUT |= {"intake": "durable", "any_pod_answers": False, "kinds": ["say", "tools", "parallel"]}
CHAT, EFFECTS = os.environ["OPENAI_BASE_URL"] + "/chat/completions", "ONCEPROOF_EFFECTS_URL"
NAMES = {name: {"type": "string"} for name in ("agent", "path", "value")}
SCHEMA = {"type": "object", "properties": NAMES, "required": list(NAMES)}
TOOLS = [{"type": "function", "function": {"name": "record", "parameters": SCHEMA}}]
PATH = os.environ["ONCEPROOF_STATE_DIR"] + "/journal.jsonl"  # The folder outlives this process.
JOURNAL, LOCK = os.open(PATH, os.O_RDWR | os.O_CREAT | os.O_APPEND), threading.RLock()
known = {}  # agent -> {"program": {...}, "1.t0": {...}, ..., "end": {...}}


def keep(agent, name, value):  # Written down before it is used: one write() survives SIGKILL.
    with LOCK:
        os.write(JOURNAL, json.dumps([agent, name, value]).encode() + b"\n")
        known.setdefault(agent, {})[name] = value


def once(agent, name, url, body):  # What is on file; else asked for, patiently, and put on file.
    for _ in range(1000 * (name not in known[agent])):
        try:
            request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
            keep(agent, name, json.load(urlopen(request, timeout=120)))
            break
        except OSError as error:  # A 429 is one, and says when it may be asked again.
            told = getattr(error, "headers", {}).get("retry-after-ms")
            time.sleep(float(told or 500) / 1000 + 0.01)
    return known[agent][name]


def converse(agent, step, answers):
    text = re.sub(r"\{answer:([^{}\s]+)\}", lambda found: answers[found[1]], step["prompt"])
    body = {"model": "mock-1", "messages": [{"role": "user", "content": text}]}
    body |= {"tools": TOOLS} if step["kind"] == "tools" else {}
    for turn in range(step["turns"] + 1):
        answer = once(agent, f"{step['path']}.t{turn}", CHAT, body)["choices"][0]["message"]
        body["messages"].append(answer)
        for call in answer.get("tool_calls") or []:
            effect = json.loads(call["function"]["arguments"])  # agent, path, value
            effect["key"] = f"{agent}/{effect['path']}"  # Makes a second call harmless.
            receipt = once(agent, effect["path"], os.environ[EFFECTS], effect)["receipt"]
            body["messages"] += [{"role": "tool", "tool_call_id": call["id"], "content": receipt}]
    return answer["content"]


def sequence(agent, steps, answers):
    for step in steps:
        if step["kind"] == "parallel":
            with ThreadPoolExecutor(len(step["branches"])) as pool:
                list(pool.map(lambda branch: sequence(agent, branch, answers), step["branches"]))
        else:
            answers[step["path"]] = converse(agent, step, answers)
    return answers.get(steps[-1]["path"])


def run(agent):  # From the first step on; what is on file is not done again.
    outcome = sequence(agent, known[agent]["program"]["steps"], {})
    keep(agent, "end", {"status": "completed", "output": outcome})


def contract(request, respond):  # GET /healthz, /about, /agents/{id}; POST /agents.
    body = request["wsgi.input"].read(int(request["CONTENT_LENGTH"] or 0))
    path, views = request["PATH_INFO"], {"/about": ABOUT, "/healthz": {"ready": True}}
    if facts := known.get(path.removeprefix("/agents/")):
        views[path] = facts.get("end", {"status": "running"})
    with LOCK:
        if path == "/agents" and (new := json.loads(body))["agent"] not in known:
            keep(new["agent"], "program", new["program"])
            threading.Thread(target=run, args=[new["agent"]]).start()
    status = "200 OK" if path in views else "404 Not Found"
    respond("202 Accepted" if path == "/agents" else status, [])
    return [json.dumps(views.get(path)).encode()]


class Server(ThreadingMixIn, WSGIServer):
    request_queue_size = 1024


whole = open(PATH, "rb").read().rpartition(b"\n")[0]  # A line that a kill cut off was never used.
os.truncate(PATH, len(whole) + bool(whole))
for line in whole.splitlines():
    agent, name, value = json.loads(line)
    known.setdefault(agent, {})[name] = value
for agent in [agent for agent, facts in known.items() if "end" not in facts]:
    threading.Thread(target=run, args=[agent]).start()
make_server("127.0.0.1", int(os.environ["ONCEPROOF_PORT"]), contract, Server).serve_forever()
