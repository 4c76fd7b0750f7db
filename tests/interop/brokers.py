"""Brokers under test: ours, and Debian's mosquitto."""

import re
import shutil
import signal
import socket
import tempfile
import threading
import time
from pathlib import Path

from programs import BINARY, PATIENCE, Process


class Broker:
    """A broker on a free port of loopback, until `stop`."""

    def __init__(self, kind, *directives):
        self.kind = kind
        self.folder = Path(tempfile.mkdtemp(prefix="libmqtt-interop-"))
        self.log = []
        for _ in range(10):
            if self.start(directives):
                return
        raise RuntimeError("\n".join(self.log))

    def start(self, directives):
        """Whether it came up: mosquitto must be given a port, which another may take first."""
        self.port, self.up = None, threading.Event()
        self.asked = 0 if self.kind == "libmqtt" else free()
        lines = [f"listener {self.asked} 127.0.0.1", "sys_interval 1", *directives]
        if not any(line.startswith("allow_anonymous") for line in lines):
            lines.append("allow_anonymous true")
        command = [str(BINARY), "broker"]
        if self.kind == "mosquitto":
            command = [shutil.which("mosquitto") or "/usr/sbin/mosquitto"]
            lines += ["user root", "connection_messages false", "log_dest stderr"]
            lines += ["log_type error", "log_type information"]
        conf = self.folder / "broker.conf"
        conf.write_text("\n".join(lines) + "\n")
        self.process = Process([*command, "-c", str(conf)], self.heard)
        assert self.up.wait(PATIENCE), "the broker does not say that it is there"
        if self.port is None:
            self.process.end()
        return self.port is not None

    def heard(self, line):
        if line is None:
            self.up.set()
            return
        self.log.append(line)
        address = re.fullmatch(r"listening on (?:\w+://)?127\.0\.0\.1:(\d+)", line)
        if self.kind == "mosquitto" and line.endswith(" running"):
            self.port = self.asked
            self.up.set()
        elif self.kind == "libmqtt" and self.port is None and address:
            self.port = int(address[1])
            self.up.set()

    @property
    def pid(self):
        return self.process.child.pid

    def connect(self):
        """A bare connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def many(self, count, version, qos):
        """As many messages at once as it is good for: mosquitto 2.0.11 sends more QoS 2 messages
        than the Receive Maximum (20) of mosquitto_sub in 5.0, which then gives up."""
        return 20 if (self.kind, version, qos) == ("mosquitto", "5.0", 2) else count

    def stop(self):
        """Asks it to end; gives its exit status and the seconds it took."""
        begun = time.monotonic()
        self.process.child.send_signal(signal.SIGTERM)
        try:
            self.process.child.wait(PATIENCE)
        finally:
            took = time.monotonic() - begun
            status = self.process.end("kill")
            shutil.rmtree(self.folder)
        return status, took


def free():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
