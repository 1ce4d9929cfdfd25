#!/usr/bin/env python3
"""Every query of the Grafana boards, once, on a real Prometheus that scrapes the demo; and whether the files of
docker-compose.yml fit together.

  board.py [--seconds N]      needs prometheus and promtool
"""

import argparse
import json
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

import yaml

from service import BINARY, ROOT
from story import fail

SCRAPE = """
global: {{ scrape_interval: 1s }}
scrape_configs:
  - job_name: lead-router
    static_configs: [{{ targets: ["127.0.0.1:{port}"] }}]
"""
# A healthy demonstration has nothing to show here, or not before its first deals close.
MAY_BE_EMPTY = ("leadrouter_dead_letters_total", "leadrouter_consumer_lag", "leadrouter_deals_total",
                "leadrouter_stated_win_probability_ratio")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def queries():
    """(board, panel, expression) with Grafana's variables as a short run needs them."""
    for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json")):
        board = json.loads(path.read_text())
        panels = [inner for panel in board["panels"] for inner in [panel, *panel.get("panels", [])]]
        for panel in panels:
            for target in panel.get("targets", []):
                yield path.name, panel["title"], re.sub(r"\$__\w+", "20s", target["expr"])


def ask(port, path, **words):
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(words)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def run_queries(port, faults):
    known = set(ask(port, "label/__name__/values")["data"])
    count = 0
    for board, panel, expression in queries():
        count += 1
        name = f"{board}, {panel}: {expression}"
        faults += [f"{name}: no metric {metric}" for metric in set(re.findall(r"\b(?:leadrouter|process)_\w+", expression))
                   if metric not in known]
        answer = ask(port, "query", query=expression)
        if answer["status"] != "success":
            faults.append(f"{name}: {answer.get('error')}")
        elif not answer["data"]["result"] and not any(metric in expression for metric in MAY_BE_EMPTY):
            faults.append(f"{name}: no data")
    return count


def on_prometheus(seconds, faults):
    with tempfile.TemporaryDirectory() as folder:
        router, port = free_port(), free_port()
        config = pathlib.Path(folder) / "prometheus.yml"
        config.write_text(SCRAPE.format(port=router))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        demo = subprocess.Popen([BINARY, "demo", "--for", f"{seconds + 30}s", "--listen", f"127.0.0.1:{router}"], **quiet)
        prometheus = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                                       f"--web.listen-address=127.0.0.1:{port}"], **quiet)
        try:
            time.sleep(seconds)
            return run_queries(port, faults)
        finally:
            for process in (demo, prometheus):
                process.terminate()
                process.wait(timeout=30)


def compose(faults):
    """The services of docker-compose.yml name files that are there, and each other as they are."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, service in services.items():
        mounts = [volume.split(":")[0] for volume in service.get("volumes", [])]
        faults += [f"compose, {name}: no {path}" for path in mounts if path.startswith("./") and not (ROOT / path).exists()]
        needed = service.get("depends_on", [])
        faults += [f"compose, {name} depends on {other}" for other in needed if other not in services]
    own = (ROOT / "deploy/compose.router.toml").read_text()
    said = subprocess.run([BINARY, "run", "--print-config", "--config", str(ROOT / "deploy/compose.router.toml")],
                          capture_output=True, text=True)
    if said.returncode != 0:
        faults.append(f"compose: the router refuses its configuration: {said.stderr}")
    bootstrap = re.search(r'bootstrap_servers = "([^":]+):(\d+)"', own)
    listeners = services["kafka"]["environment"]["KAFKA_LISTENERS"]
    if bootstrap[1] not in services or f":{bootstrap[2]}" not in listeners:
        faults.append(f"compose: {bootstrap[0]}, but {listeners}")
    port = re.search(r'listen = "[^"]*:(\d+)"', own)[1]
    scrape = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    targets = [target for job in scrape["scrape_configs"] for one in job["static_configs"] for target in one["targets"]]
    if targets != [f"router:{port}"] or not any(text.endswith(f":{port}") for text in services["router"]["ports"]):
        faults.append(f"compose: the router listens on {port}, Prometheus asks {targets}")
    for words in (["check", "config", "--syntax-only", "prometheus.yml"], ["test", "rules", "alerts.test.yml"]):
        checked = subprocess.run(["promtool", *words], cwd=ROOT / "deploy/prometheus", capture_output=True, text=True)
        if checked.returncode != 0:
            faults.append(f"promtool: {checked.stdout}{checked.stderr}")
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    url = source["datasources"][0]["url"]
    if urllib.parse.urlparse(url).hostname not in services:
        faults.append(f"compose: Grafana asks {url}")
    boards = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/lead-router.yml").read_text())
    folder = boards["providers"][0]["options"]["path"]
    mounted = [volume.split(":")[1] for volume in services["grafana"]["volumes"]]
    if folder not in mounted:
        faults.append(f"compose: Grafana looks for boards in {folder}, mounted are {mounted}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=25)
    options = parser.parse_args()
    faults = []
    compose(faults)
    count = on_prometheus(options.seconds, faults)
    print(f"{count} queries on Prometheus, and what docker-compose.yml names")
    fail(faults)


if __name__ == "__main__":
    main()
