#!/usr/bin/env python3
"""Kills the router at random moments, and the broker too, while leads come in; then proves that nothing was lost or
doubled: `lead-router verify`, and a second count by this foreign reader.

  kill.py BOOTSTRAP [--leads N] [--kills N] [--broker-restarts N] [--seed N]
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from service import Router, broker

HERE = pathlib.Path(__file__).resolve().parent


def story(*words):
    return subprocess.Popen([sys.executable, str(HERE / "story.py"), *map(str, words)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bootstrap")
    parser.add_argument("--leads", type=int, default=20_000)
    parser.add_argument("--domains", type=int, default=24)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--broker-restarts", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=40, help="over how long the leads come in")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    rng = random.Random(options.seed)
    print(f"seed {options.seed}", flush=True)

    routers = [Router(options.bootstrap, instance=str(n)) for n in range(2)]
    print(routers[0].command("topics", "apply", "--yes"), end="")
    for router in routers:
        router.start()
    truth = str(pathlib.Path(tempfile.mkdtemp()) / "truth.json")
    rate = max(1, options.leads // options.seconds)
    writer = story("produce", options.bootstrap, "--leads", options.leads, "--domains", options.domains,
                   "--rate", rate, "--target", 3600, "--truth", truth, "--seed", options.seed)

    # Broker restarts are spread evenly among the kills; half of them are kills too.
    blows = ["router"] * options.kills
    for n in range(options.broker_restarts):
        blows.insert((n + 1) * len(blows) // (options.broker_restarts + 1), "broker")
    pause, killed = options.seconds / (len(blows) + 1), 0
    for number, blow in enumerate(blows):
        time.sleep(pause * rng.uniform(0.3, 1.7))
        if blow == "broker":
            word = "kill-restart" if number % 2 else "restart"
            print(f"broker {word}", flush=True)
            broker(word)
            continue
        victims = routers if rng.random() < 0.25 else [rng.choice(routers)]
        for router in victims:
            router.kill()
            killed += 1
        time.sleep(rng.uniform(0.0, 2.0))
        for router in victims:
            router.start()
        print(f"killed {len(victims)}", flush=True)

    if writer.wait() != 0:
        raise SystemExit("the writer failed")
    checker = story("count", options.bootstrap, "--truth", truth, "--timeout", 180)
    while checker.poll() is None:
        # A supervisor would do this: a process that ended on an outage is started anew.
        for router in routers:
            if not router.alive():
                router.start()
        time.sleep(1)
    stopped = [router.stop() for router in routers]
    print("stopped", [f"exit {code} in {took:.1f} s" for code, took in stopped], flush=True)
    print(routers[0].command("verify"), end="")
    print(f"{killed} kills, {options.broker_restarts} broker restarts, seed {options.seed}")
    sys.exit(checker.returncode or any(code for code, _ in stopped))


if __name__ == "__main__":
    main()
