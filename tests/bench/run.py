"""Compares what a message costs our broker with what it costs Debian's mosquitto (see README.md).

MQLOAD=/path/to/generator tests/bench/run.py [--reps 3] [--only fanin,pairs] [--json FILE]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "interop"))

from brokers import Broker

# name: (arguments of the generator, the figure to compare)
MESSAGE, CONNECTION = "broker_cpu_ns_per_msg", "broker_rss_bytes_per_conn"
SCENARIOS = {
    "fan-in, QoS 0": ("fanin", MESSAGE),
    "fan-in, QoS 1": ("fanin --qos 1", MESSAGE),
    "fan-in, QoS 2": ("fanin --qos 2", MESSAGE),
    "fan-out, QoS 0": ("fanout", MESSAGE),
    "fan-out, QoS 1": ("fanout --qos 1", MESSAGE),
    "pairs, QoS 0": ("pairs", MESSAGE),
    "pairs, QoS 1": ("pairs --qos 1", MESSAGE),
    "100,000 filters": ("wildcards --filters 100000", MESSAGE),
    "idle connections": ("connect --conns 10000 --hold 1", CONNECTION),
}
UNITS = {MESSAGE: ("µs CPU a message", 1000), CONNECTION: ("bytes a connection", 1)}
# Neither broker keeps anything back: what is dropped would cost nothing.
UNBOUNDED = {
    "libmqtt": ["max_queued_messages 0", "max_queued_bytes 0", "log_type none"],
    "mosquitto": ["max_queued_messages 0", "max_inflight_messages 0"],
}


def measure(generator, kind, arguments, span):
    """One run on a broker of its own."""
    broker = Broker(kind, *UNBOUNDED[kind])
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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--only", default="", help="words that a scenario's name must have one of")
    parser.add_argument("--duration", default="3", help="seconds that are measured")
    parser.add_argument("--json", help="append every run's result to this file")
    args = parser.parse_args()
    generator = os.environ.get("MQLOAD")
    if not generator or not shutil.which(generator):
        sys.exit("set MQLOAD to a load generator; tests/bench/README.md says what it must do")
    words = [w for w in args.only.split(",") if w]
    wanted = [n for n in SCENARIOS if not words or any(w in n for w in words)]
    runs = {(name, kind): [] for name in wanted for kind in UNBOUNDED}
    for _ in range(args.reps):
        for name, kind in runs:  # brokers in turn, so that the machine's moods hit both
            result = measure(generator, kind, SCENARIOS[name][0], ["--duration", args.duration])
            runs[name, kind].append(result)
            if args.json:
                with open(args.json, "a") as out:
                    out.write(json.dumps({"scenario": name, "broker": kind, **result}) + "\n")
    print("| scenario | libmqtt | mosquitto | unit | ratio | all correct |")
    print("|---|---|---|---|---|---|")
    good = True
    for name in wanted:
        key = SCENARIOS[name][1]
        unit, divisor = UNITS[key]
        ours, theirs = (
            statistics.median(r[key] for r in runs[name, kind]) / divisor for kind in UNBOUNDED
        )
        right = all(r["correct"] for r in runs[name, "libmqtt"])
        good &= right
        figures = f"{ours:.2f} | {theirs:.2f} | {unit} | {ours / theirs:.2f}"
        print(f"| {name} | {figures} | {'yes' if right else 'NO'} |")
    sys.exit(not good)


main()
