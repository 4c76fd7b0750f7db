"""Compares how fast messages at QoS 1 are acknowledged by a broker that stores them and by one that
does not, beside Debian's mosquitto (see README.md).

tests/bench/durable.py [--reps 3] [--only 'full,one'] [--broker sync,none]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "interop"))

from brokers import Broker
from programs import BINARY

PAIRS = BINARY.parent / "libmqtt-pairs"
SCENARIOS = {
    "full load, received": [],
    "one in flight, received": ["--window", "1", "--batch", "1"],
    "full load, nobody there": ["--away"],
}
UNBOUNDED = ["max_queued_messages 0", "max_queued_bytes 0", "log_type none"]
STORING = ["persistence true", "persistence_location {}"]
BROKERS = {
    "none": ("libmqtt", UNBOUNDED),
    "off": ("libmqtt", [*UNBOUNDED, *STORING, "durability off"]),
    "interval": ("libmqtt", [*UNBOUNDED, *STORING, "durability 1000ms"]),
    "sync": ("libmqtt", [*UNBOUNDED, *STORING]),
    "mosquitto, none": ("mosquitto", ["max_queued_messages 0", "max_inflight_messages 0"]),
    "mosquitto, each second": (
        "mosquitto",
        [
            *["max_queued_messages 0", "max_inflight_messages 0", "autosave_interval 1"],
            *["persistence true", "persistence_location {}/"],
        ],
    ),
    "mosquitto, each 1000 changes": (
        "mosquitto",
        [
            *["max_queued_messages 0", "max_inflight_messages 0", "autosave_on_changes true"],
            *["autosave_interval 1000", "persistence true", "persistence_location {}/"],
        ],
    ),
}


def syncs(folder, span=2):
    """How many times a second 16 KiB can be written in place and synced."""
    path = Path(folder) / "probe"
    with path.open("wb") as file:
        file.write(bytes(1 << 20))
        file.flush()
        os.fsync(file.fileno())
        count, until = 0, time.monotonic() + span
        while time.monotonic() < until:
            file.seek(count % 64 * 16384)
            file.write(os.urandom(16384))
            file.flush()
            os.fdatasync(file.fileno())
            count += 1
    path.unlink()
    return count / span


def measure(name, arguments):
    """One run on a broker of its own, with a directory of its own."""
    kind, directives = BROKERS[name]
    with tempfile.TemporaryDirectory(prefix="libmqtt-durable-") as folder:
        broker = Broker(kind, *[line.format(folder) for line in directives])
        try:
            command = [PAIRS, "--port", str(broker.port), *arguments]
            done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        finally:
            broker.stop()
    if done.returncode:
        sys.exit(f"{broker.kind}: {done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--only", default="", help="words that a scenario's name must have one of")
    parser.add_argument("--broker", default="", help="first words of the brokers' names")
    parser.add_argument("--duration", default="3", help="seconds that are measured")
    parser.add_argument("--shards", help="shards of our broker")
    args = parser.parse_args()
    words = [w for w in args.only.split(",") if w]
    wanted = [n for n in SCENARIOS if not words or any(w in n for w in words)]
    words = [w for w in args.broker.split(",") if w]
    brokers = [b for b in BROKERS if not words or any(w == b.split(",")[0] for w in words)]
    if args.shards:
        UNBOUNDED.append(f"shards {args.shards}")
        for kind, directives in BROKERS.values():
            if kind == "libmqtt" and directives is not UNBOUNDED:
                directives.append(f"shards {args.shards}")
    with tempfile.TemporaryDirectory(prefix="libmqtt-durable-") as folder:
        print(f"the disk syncs 16 KiB {syncs(folder):.0f} times a second")
    runs = {(scenario, broker): [] for scenario in wanted for broker in brokers}
    for _ in range(args.reps):
        for scenario, broker in runs:  # brokers in turn, so that the machine's moods hit all
            result = measure(broker, [*SCENARIOS[scenario], "--seconds", args.duration])
            runs[scenario, broker].append(result)
            if not result["correct"]:
                print(f"{broker}, {scenario}: not correct: {result}", file=sys.stderr)
    for scenario in wanted:
        print(f"\n{scenario}")
        base = None
        for broker in brokers:
            results = runs[scenario, broker]

            def median(key, results=results):
                return statistics.median(r[key] for r in results)

            rate = median("acknowledged_per_s")
            base = base or rate
            p50, p99 = median("ack_p50_us") / 1000, median("ack_p99_us") / 1000
            print(
                f"  {broker:28} {rate:9.0f}/s {rate / base:5.2f}"
                f"  PUBACK {p50:7.2f} ms, p99 {p99:7.2f} ms"
            )


if __name__ == "__main__":
    main()
