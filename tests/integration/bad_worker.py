"""A worker that misbehaves as its argument says, for the tests of what the harness says then."""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

HOW = sys.argv[1]
OUTPUTS: dict[str, str] = {}
HOARD: list[bytes] = []
LEAK = 60 << 20
ABOUT = {
    "engine": "bad",
    "variant": HOW,
    "versions": {},
    "recovery": "hopefully" if HOW == "boasts" else "native",
    "intake": "durable",
    "any_pod_answers": False,
    "kinds": ["say", "dance"] if HOW == "dances" else ["say"],
}


class Contract(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/about":
            if HOW == "hangs_at_about":
                time.sleep(60)
            self.answer(200, "<html>Welcome!</html>" if HOW == "greets" else self.about())
        elif self.path == "/healthz":
            self.answer(503 if HOW == "never_ready" else 200, {})
        elif HOW == "refuses":
            self.answer(404, {})
        elif HOW == "mumbles":
            self.answer(200, {"state": "great"})
        else:
            known = next(iter(OUTPUTS), "") if HOW == "confuses" else self.path[len("/agents/") :]
            output = OUTPUTS.get(known, "")
            self.answer(200, {"status": "completed", "output": output})

    def do_POST(self) -> None:
        """Take the agent, and run its last step alone."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/agents":
            self.answer(404, {})
        elif HOW == "refuses":
            self.answer(500, {"reason": "no cheese"})
        else:
            asked = json.loads(body)
            self.answer(202, {})
            if HOW == "leaks":
                HOARD.append(b"x" * LEAK)
            prompt = asked["program"]["steps"][-1]["prompt"]
            message = {"role": "user", "content": "Hello." if HOW == "rephrases" else prompt}
            request = Request(
                os.environ["OPENAI_BASE_URL"] + "/chat/completions",
                json.dumps({"model": "mock-1", "messages": [message]}).encode(),
                {"Content-Type": "application/json"},
            )
            answer = json.load(urlopen(request, timeout=20))["choices"][0]["message"]["content"]
            OUTPUTS[asked["agent"]] = answer

    def about(self) -> dict[str, object]:
        return {key: one for key, one in ABOUT.items() if HOW != "forgets" or key != "recovery"}

    def answer(self, status: int, value: object) -> None:
        body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


if HOW == "dies":
    sys.exit("no such database: agents.db")
if HOW == "hangs":
    time.sleep(60)
PORT = 0 if HOW == "listens_elsewhere" else int(os.environ["ONCEPROOF_PORT"])
ThreadingHTTPServer(("127.0.0.1", PORT), Contract).serve_forever()
