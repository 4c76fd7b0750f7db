"""The load generator that MQLOAD names, and one run of it (see README.md)."""

import json
import os
import shutil
import subprocess
import sys


def generator():
    """The generator's path; ends the program without one."""
    path = os.environ.get("MQLOAD")
    if not path or not shutil.which(path):
        sys.exit("set MQLOAD to a load generator; tests/bench/README.md says what it must do")
    return path


def run(generator, broker, arguments, span):
    """The result of one run on a broker, which ends with it."""
    try:
        where = ["--port", str(broker.port), "--pid", str(broker.pid), "--json", *span]
        command = [generator, *arguments.split(), *where]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    finally:
        broker.stop()
    lines = done.stdout.strip().splitlines()
    if not lines:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip() or 'no output'}")
    return json.loads(lines[-1])
