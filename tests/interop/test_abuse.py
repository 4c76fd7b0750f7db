"""What hostile peers cost a client that does no harm: the time of its round trips, and memory.

The figures are printed (`pytest -s`). Bounds are on medians, beside those of a quiet broker in the
same minute, so that what else the machine does matters little.
"""

import contextlib
import resource
import socket
import statistics
import subprocess
import sys
import time
from itertools import pairwise

import pytest
from brokers import free
from programs import BINARY, PATIENCE

CONNECT = bytes.fromhex("10 0d 0004 4d515454 04 02 0000 0001 67")
PUBLISH = bytes.fromhex("32 06 0001 74 0001 78")
PUBACK = bytes.fromhex("4002 0001")
# Below this a round trip counts as nothing: it is less than a thread's turn.
NOTHING = 0.0005

# Tries wrong passwords at a steady rate, and says how many were refused.
GUESS = """
import socket, sys, threading, time
port, rate, span, threads = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), 8
connect = bytes.fromhex("101a 0004 4d515454 04 c2 0000 0001 61 0003 616461 0006") + b"wrong!"
connect = bytes([0x10, len(connect) - 2]) + connect[2:]
refused = []
def guess(number):
    due = time.monotonic() + number * threads / rate / threads
    end = due + span
    while due < end:
        time.sleep(max(0, due - time.monotonic()))
        due += threads / rate
        with socket.create_connection(("127.0.0.1", port), 20) as link:
            link.sendall(connect)
            refused.append(link.recv(4, socket.MSG_WAITALL)[3:] > bytes(1))
all = [threading.Thread(target=guess, args=[n]) for n in range(threads)]
[each.start() for each in all]
[each.join() for each in all]
print(sum(refused))
"""


@contextlib.contextmanager
def good_client(broker, connect=CONNECT):
    """A client that was let in."""
    with broker.connect() as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(connect)
        assert link.recv(4, socket.MSG_WAITALL) == bytes.fromhex("20020000")
        yield link


def round_trips(link, until):
    """How long PUBLISH to PUBACK takes, 200 times a second until something is so."""
    times = []
    while not until(times):
        begun = time.perf_counter()
        link.sendall(PUBLISH)
        assert link.recv(4, socket.MSG_WAITALL) == PUBACK
        took = time.perf_counter() - begun
        times.append(took)
        time.sleep(max(0, 0.005 - took))
    return times


def told(what, times):
    """Prints the figures of round trips; their median."""
    times = sorted(times)
    median, late = statistics.median(times), times[len(times) * 99 // 100]
    print(f"{what}: median {median * 1e6:.0f} us, 99 % {late * 1e6:.0f} us, of {len(times)}")
    return median


def resident(pid):
    """Resident memory in KiB."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


@pytest.mark.parametrize("rate", [200])
def test_wrong_passwords_cost_others_nothing(broker, broker_of_its_own, tmp_path, rate):
    users = tmp_path / "users"
    subprocess.run([BINARY, "passwd", "-c", "-b", users, "ada", "secret"], check=True)
    own = broker_of_its_own(f"password_file {users}", "allow_anonymous true")
    with good_client(own) as link:
        before = told("quiet", round_trips(link, lambda times: len(times) >= 400))
        guesses = [sys.executable, "-c", GUESS, str(own.port), str(rate), "3"]
        with subprocess.Popen(guesses, stdout=subprocess.PIPE, text=True) as guessing:
            during = round_trips(link, lambda _: guessing.poll() is not None)
            refused = int(guessing.stdout.read())
        during = told(f"{rate} wrong passwords a second ({refused} refused)", during)
    assert refused > rate * 3 / 2, "too slow to be a test"
    if broker.kind == "libmqtt":  # mosquitto checks passwords in its loop
        assert during <= max(2 * before, NOTHING), (before, during)


# What hostile peers send: nothing, the beginning of something, garbage.
BAD = {
    "mqtt": [b"", CONNECT[:7], b"\x10\xff\xff\x7f", b"GET / HTTP/1.0\r\n\r\n"],
    "ws": [b"", b"GET / HTTP/1.1\r\nHost: h\r\n", b"\x10\x0d\x00\x04MQTT", b"GET " + b"a" * 9000],
    "mqtts": [b"", b"\x16\x03\x01", b"\x16\x03\x01\x40\x00" + bytes(500), CONNECT],
}


def directives(kind, folder, port):
    """A second listener, of this kind."""
    lines = [f"listener {port} 127.0.0.1"]
    if kind == "ws":
        lines.append("protocol websockets")
    if kind == "mqtts":
        files = ["-keyout", folder / "key", "-out", folder / "certificate"]
        make = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=localhost",
        ]
        subprocess.run([*make, *files], check=True, capture_output=True)
        lines += [f"certfile {folder / 'certificate'}", f"keyfile {folder / 'key'}"]
    return lines


@pytest.mark.parametrize("kind", BAD)
def test_silent_peers_and_garbage_cost_others_little(broker_of_its_own, tmp_path, kind):
    """5,000 of them, some of whom go on byte by byte; and memory comes back."""
    count = 5000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    port = free()
    own = broker_of_its_own(*directives(kind, tmp_path, port))

    def crowd():
        links = []
        for number in range(count):
            link = socket.create_connection(("127.0.0.1", port), PATIENCE)
            link.sendall(BAD[kind][number % 4])
            links.append(link)
        return links

    def leave(links):
        for link in links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_WR)
        for link in links:
            with contextlib.suppress(ConnectionError):
                link.recv(1000, socket.MSG_WAITALL)  # the broker has closed it
            link.close()

    def drip(links, times):
        """One more byte from each of some; whether it is enough."""
        for link in links[1:200:4]:
            with contextlib.suppress(OSError):
                link.send(b"x" if len(times) % 50 == 0 else b"")
        return len(times) >= 400

    with good_client(own) as link:
        before = told("quiet", round_trips(link, lambda times: len(times) >= 400))
        leave(crowd())
        memory = [resident(own.pid)]
        links = crowd()
        what = f"{count} peers that say nothing good over {kind}"
        during = told(what, round_trips(link, lambda times: drip(links, times)))
        leave(links)
        round_trips(link, lambda times: len(times) >= 10)
        memory.append(resident(own.pid))
        leave(crowd())
        round_trips(link, lambda times: len(times) >= 10)
        memory.append(resident(own.pid))
    print(f"resident: {memory} KiB after a first crowd, a second and a third")
    assert during <= max(2 * before, NOTHING), (before, during)
    # A thread that has much to do for the first time takes its share once; a leak is in each round.
    assert min(after - before for before, after in pairwise(memory)) < 1024
    assert memory[-1] - memory[0] < 8192
    assert own.stop()[0] == 0
