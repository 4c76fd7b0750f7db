"""Compares what a message costs our broker, of one shard and of two, with what it costs Debian's
mosquitto (see README.md).

MQLOAD=/path/to/generator tests/bench/run.py [--reps 3] [--only fanin,pairs] [--json FILE]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "interop"))

from brokers import Broker, free
from pki import Pki

# name: (arguments of the generator, the figure to compare)
MESSAGE, CONNECTION = "broker_cpu_ns_per_msg", "broker_rss_bytes_per_conn"
CONNECT, RETAINED = "broker_cpu_ns_per_conn", "broker_rss_bytes_per_retained"
SCENARIOS = {
    "fan-in, QoS 0": ("fanin", MESSAGE),
    "fan-in, QoS 1": ("fanin --qos 1", MESSAGE),
    "fan-in, QoS 2": ("fanin --qos 2", MESSAGE),
    "fan-in, QoS 0, 5.0": ("fanin --proto 5", MESSAGE),
    "fan-in, one by one": ("fanin --batch 1 --window 8", MESSAGE),
    "fan-in, 4 KiB": ("fanin --payload 4096 --window 8 --batch 4", MESSAGE),
    "fan-out, QoS 0": ("fanout", MESSAGE),
    "fan-out, one by one": ("fanout --window 1", MESSAGE),
    "fan-out, QoS 1": ("fanout --qos 1", MESSAGE),
    "pairs, QoS 0": ("pairs", MESSAGE),
    "pairs, QoS 1": ("pairs --qos 1", MESSAGE),
    "pairs, QoS 1, 5.0": ("pairs --qos 1 --proto 5", MESSAGE),
    "5,000 a second": ("latency --rate 5000", MESSAGE),
    "20,000 a second": ("latency --rate 20000", MESSAGE),
    "1,000 filters": ("wildcards --filters 1000", MESSAGE),
    "100,000 filters": ("wildcards --filters 100000", MESSAGE),
    "retained, receiving": ("retained --count 50000", MESSAGE),
    "retained, kept": ("retained --count 50000", RETAINED),
    "offline, receiving": ("offline --subs 100 --count 50000", MESSAGE),
    "connecting": ("connect --conns 10000 --hold 1", CONNECT),
    "idle connections": ("connect --conns 10000 --hold 1", CONNECTION),
    "TLS, fan-in, QoS 0": ("fanin --tls", MESSAGE),
    "TLS, fan-out, QoS 0": ("fanout --tls", MESSAGE),
    "TLS, pairs, QoS 0": ("pairs --tls", MESSAGE),
    "TLS, pairs, QoS 1": ("pairs --tls --qos 1", MESSAGE),
    "WebSocket, fan-in, QoS 0": ("fanin --ws", MESSAGE),
    "WebSocket, fan-out, QoS 0": ("fanout --ws", MESSAGE),
    "WebSocket, pairs, QoS 0": ("pairs --ws", MESSAGE),
    "WebSocket, pairs, QoS 1": ("pairs --ws --qos 1", MESSAGE),
    "TLS, idle connections": ("connect --tls --conns 5000 --hold 1", CONNECTION),
    "WebSocket, idle connections": ("connect --ws --conns 5000 --hold 1", CONNECTION),
    "WebSocket and TLS, idle connections": (
        "connect --ws --tls --conns 5000 --hold 1",
        CONNECTION,
    ),
}
UNITS = {
    MESSAGE: ("µs CPU a message", 1000),
    CONNECT: ("µs CPU a connection", 1000),
    CONNECTION: ("bytes a connection", 1),
    RETAINED: ("bytes a message", 1),
}
# No broker keeps anything back: what is dropped would cost nothing.
UNBOUNDED = ["max_queued_messages 0", "max_queued_bytes 0", "log_type none"]
BROKERS = {
    "one shard": ("libmqtt", [*UNBOUNDED, "shards 1"]),
    "two shards": ("libmqtt", [*UNBOUNDED, "shards 2"]),
    "mosquitto": ("mosquitto", ["max_queued_messages 0", "max_inflight_messages 0"]),
}


def find_generator():
    """The generator's path; ends the program without one."""
    path = os.environ.get("MQLOAD")
    if not path or not shutil.which(path):
        sys.exit("set MQLOAD to a load generator; tests/bench/README.md says what it must do")
    return path


def run_load(generator, broker, arguments, span):
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


def measure(generator, name, arguments, span, pki):
    """One run on a broker of its own."""
    kind, directives = BROKERS[name]
    transport = []
    if "--tls" in arguments:
        certificate, key = pki.of("server")
        transport += [f"certfile {certificate}", f"keyfile {key}"]
    if "--ws" in arguments:
        transport += ["protocol websockets"]
        if kind == "mosquitto":
            # 2.0.11 does not start with WebSocket alone.
            transport += [f"listener {free()} 127.0.0.1"]
    broker = Broker(kind, *directives, *transport)
    return run_load(generator, broker, arguments, span)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--only", default="", help="words that a scenario's name must have one of")
    parser.add_argument("--duration", default="3", help="seconds that are measured")
    parser.add_argument("--json", help="append every run's result to this file")
    args = parser.parse_args()
    generator = find_generator()
    words = [w for w in args.only.split(",") if w]
    wanted = [n for n in SCENARIOS if not words or any(w in n for w in words)]
    # What is wanted of one scenario may be several figures of the same runs.
    loads = list(dict.fromkeys(SCENARIOS[name][0] for name in wanted))
    runs = {(arguments, broker): [] for arguments in loads for broker in BROKERS}
    folder = tempfile.TemporaryDirectory()
    pki = Pki(folder.name)
    for _ in range(args.reps):
        for arguments, broker in runs:  # brokers in turn, so that the machine's moods hit all
            result = measure(generator, broker, arguments, ["--duration", args.duration], pki)
            runs[arguments, broker].append(result)
            if args.json:
                with open(args.json, "a") as out:
                    out.write(json.dumps({"load": arguments, "broker": broker, **result}) + "\n")
    print("| scenario | one shard | two shards | mosquitto | unit | ratio | two to one | correct |")
    print("|---|---|---|---|---|---|---|---|")
    good = True
    for name in wanted:
        arguments, key = SCENARIOS[name]
        unit, divisor = UNITS[key]
        one, two, theirs = (
            statistics.median(r[key] for r in runs[arguments, broker]) / divisor
            for broker in BROKERS
        )
        right = all(r["correct"] for shards in list(BROKERS)[:2] for r in runs[arguments, shards])
        good &= right
        figures = f"{one:.2f} | {two:.2f} | {theirs:.2f} | {unit} | {one / theirs:.2f}"
        print(f"| {name} | {figures} | {two / one:.2f} | {'yes' if right else 'NO'} |")
    sys.exit(not good)


main()
