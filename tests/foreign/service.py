"""Starts and kills what is tested: `lead-router run` processes, and the broker of tests/kafka."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("LEAD_ROUTER", str(ROOT / "target" / "release" / "lead-router"))

CONFIG = """
group = "{group}"
instance = "{instance}"
workers = {workers}
clock = "{clock}"
format = "avro"

[kafka]
bootstrap_servers = "{bootstrap}"
session_timeout_ms = 6000
transaction_timeout_ms = 5000
message_timeout_ms = 4000

[topics]
partitions = {partitions}
{topics}

[start]
leads = "earliest"

[http]
listen = "127.0.0.1:{port}"
"""


def topics(prefix):
    """Topics of one's own, as lines of the configuration's [topics]; the fast lane is left out."""
    own = ["state", "dead-letter", "raw", "ingest-state"]
    lines = [f'{name.replace("-", "_")} = "{prefix}{name}"' for name in [*wire.RECORDS, *own]]
    return "\n".join([*lines, 'lead_created_fast = ""'])


class Router:
    """One process, `run` or `ingest`, with a configuration of its own."""

    def __init__(self, bootstrap, instance="0", workers=2, partitions=8, clock="wall", group="lead-router", topics=""):
        self.folder = tempfile.mkdtemp(prefix="lead-router-")
        self.config = os.path.join(self.folder, "router.toml")
        self.log = os.path.join(self.folder, "log")
        self.port = port = 19500 + int(instance)
        text = CONFIG.format(**{name: value for name, value in locals().items() if name != "self"})
        pathlib.Path(self.config).write_text(text)
        self.process = None

    def command(self, *words):
        done = subprocess.run([BINARY, *words, "--config", self.config], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self, role="run"):
        out = open(self.log, "ab")
        self.process = subprocess.Popen([BINARY, role, "--config", self.config], stdout=out, stderr=out)

    def wait_until_ready(self, patience=60):
        """Until it has its shards, restored, and has caught up."""
        until = time.monotonic() + patience
        while time.monotonic() < until and self.alive():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"the router was not ready after {patience} s; its log: {self.log}")

    def ask(self, path):
        """What the read side answers; None = not known to it."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.alive():
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self):
        """SIGTERM; returns the exit code and how long it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        return code, time.monotonic() - began


def broker(word):
    subprocess.run([str(ROOT / "tests" / "kafka"), word], check=True, stdout=subprocess.DEVNULL)
