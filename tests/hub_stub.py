"""A loopback stand-in for the Hugging Face hub's API, as far as listing models and reading a config.json goes."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LLAMA_SIZES = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}


def hub_model(name, downloads, parameters=3_000_000_000, licence="apache-2.0", family="llama", **more):
    """An entry of `/api/models` with everything that is asked for."""
    return {
        "id": name,
        "downloads": downloads,
        "sha": "0123456789abcdef0123456789abcdef01234567",
        "gated": more.pop("gated", False),
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "tags": ["transformers", *([f"license:{licence}"] if licence else []), *more.pop("tags", ())],
        "cardData": {**({"license": licence} if licence else {}), **more.pop("card", {})},
        "config": {"model_type": family, "architectures": [f"{family.title()}ForCausalLM"]},
        "safetensors": {"parameters": {"BF16": parameters}, "total": parameters},
        **more,
    }


class HubStub:
    """Serves `models` in the order given; `asked` has the query of each listing, `configs` the files by model, `cards` models that are not listed."""

    def __init__(self, models):
        self.models, self.configs, self.asked, self.paths, self.status = models, {}, [], [], 200
        self.cards = {}
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                parts = urlsplit(self.path)
                stub.paths.append(parts.path)
                if parts.path == "/api/models":
                    query = parse_qs(parts.query)
                    stub.asked.append(query)
                    wanted = query.get("filter", [""])[0]
                    task = query.get("pipeline_tag", [None])[0]
                    of_task = [m for m in stub.models if task in {None, m["pipeline_tag"]}]
                    listed = [m for m in of_task if not wanted or wanted in m["tags"]]
                    self.reply(
                        [m for m in listed if wanted or "base_model:quantized" not in " ".join(m["tags"])], stub.status
                    )
                    return
                if parts.path.removeprefix("/api/models/") in stub.cards:
                    self.reply(stub.cards[parts.path.removeprefix("/api/models/")])
                    return
                name = parts.path.removeprefix("/").partition("/resolve/")[0]
                if name in stub.configs:
                    self.reply(stub.configs[name])
                else:  # the client asks for other things too, and takes no for an answer
                    self.reply({"error": "not found"}, 404)

            def do_HEAD(self):
                self.do_GET()

            def reply(self, value, status=200):
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(data)

            def log_message(self, *_arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
