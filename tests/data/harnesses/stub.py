"""An OpenAI-compatible server with two models, `ann` and `bob`, whose answers are looked up in a hash of the prompt."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply({"data": [{"id": "ann"}, {"id": "bob"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        model, prompt = body["model"], body["messages"][-1]["content"]
        if isinstance(prompt, list):
            prompt = prompt[0]["text"]
        if model.endswith("bob") and "number 4" in prompt:
            error = {"message": "the model is broken for this one", "type": "invalid_request_error"}
            self.reply({"error": error}, 400)
            return
        luck = int(hashlib.sha256((model + prompt).encode()).hexdigest(), 16) % 10
        good = luck < (8 if model.endswith("ann") else 4)
        text = "We open on 14 March. Come and see us!" if good else "We open soon."
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21}
        self.reply(
            {"id": "x", "object": "chat.completion", "created": 0, "model": model, "choices": [choice], "usage": usage}
        )

    def reply(self, value, status=200):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", 18731), Handler).serve_forever()
