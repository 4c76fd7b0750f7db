#!/usr/bin/env python3
"""Compares a broker embedded in Node, ours, with aedes: QoS 1 messages per second of its CPU.

MQLOAD=/path/to/generator NODE_PATH=/a/node_modules/with/libmqtt/and/aedes
  tests/bench/embedded_node.py [--reps 3] [--duration 3]
"""

import argparse
import json
import os
import statistics
import subprocess
from pathlib import Path

BROKER = Path(__file__).with_suffix(".cjs")


def measure(kind, arguments):
    """CPU per message, in ns, of a broker of its own."""
    broker = subprocess.Popen(["node", BROKER, kind], stdout=subprocess.PIPE, text=True)
    try:
        where = ["--port", broker.stdout.readline().strip(), "--pid", str(broker.pid), "--json"]
        command = [os.environ["MQLOAD"], "pairs", "--qos", "1", *where, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        return json.loads(done.stdout.strip().splitlines()[-1])
    finally:
        broker.terminate()
        broker.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--duration", default="3", help="seconds that are measured")
    args = parser.parse_args()
    runs = {"libmqtt": [], "aedes": []}
    for _ in range(args.reps):
        for kind, results in runs.items():
            results.append(measure(kind, ["--duration", args.duration]))
    each = {}
    for kind, results in runs.items():
        each[kind] = statistics.median(result["broker_cpu_ns_per_msg"] for result in results) / 1000
        right = all(result["correct"] for result in results)
        print(f"{kind}: {each[kind]:.2f} us CPU a message, {'all' if right else 'NOT all'} correct")
    print(f"ratio: {each['aedes'] / each['libmqtt']:.1f}")


main()
