#!/usr/bin/env python3
"""The story on topics of its own: a router is started, story.py produces and checks.

  whole.py BOOTSTRAP
"""

import pathlib
import subprocess
import sys
import tempfile

from service import Router, topics

HERE = pathlib.Path(__file__).resolve().parent


def main():
    bootstrap = sys.argv[1]
    prefix = "story-"
    router = Router(bootstrap, instance="5", group="story", topics=topics(prefix))
    print(router.command("topics", "apply", "--yes"), end="")
    router.start()
    router.wait_until_ready()
    truth = str(pathlib.Path(tempfile.mkdtemp()) / "truth.json")
    story = [sys.executable, str(HERE / "story.py")]
    code = subprocess.call([*story, "produce", bootstrap, "--touch", "--prefix", prefix, "--truth", truth])
    code = code or subprocess.call([*story, "check", bootstrap, "--prefix", prefix, "--truth", truth])
    stopped, took = router.stop()
    print(f"stopped with exit {stopped} in {took:.1f} s")
    print(router.command("verify"), end="")
    sys.exit(code or stopped)


if __name__ == "__main__":
    main()
