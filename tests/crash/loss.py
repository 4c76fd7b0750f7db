#!/usr/bin/env python3
"""What `durability` may lose when a broker is killed; told to stop, it loses nothing.

A publisher at QoS 1 publishes numbers to a session that is away. The broker is killed, started
again where it was, and the session comes back for what there is.

- An interval: what is lost was acknowledged within the interval before the kill.
- `off`: whatever has come since the start may be lost.
- Either: what is lost is the end of what was acknowledged. Told to stop, the broker loses nothing.
"""

import signal
import sys
import tempfile
import time

from full import Publisher, subscriber, wait_for
from kill import PATIENCE, Broker

INTERVAL = 0.5
WRITES = 0.5  # seconds that a commit may take when its time has come
LOAD = 1.5  # seconds of publishing


def load(publisher, span):
    """When each message was acknowledged."""
    acked = {}
    until = time.monotonic() + span
    while (now := time.monotonic()) < until:
        for _ in range(10):
            publisher.publish()
        publisher.answered()
        now = time.monotonic()
        acked |= dict.fromkeys(publisher.acked - acked.keys(), now)
    assert not publisher.refused
    return acked


def drain(broker):
    """The numbers that are there, in order."""
    back, got = subscriber("away", 4, broker.port, "load/#", 1)
    end = Publisher("end", 5, broker.port)
    end.publish()
    end.answered()
    numbers = []
    while True:
        name, number = got.get(timeout=PATIENCE).split()[:2]
        if name == "end":
            break
        numbers.append(int(number))
    for made in (back, end.client):
        made.disconnect()
        wait_for(lambda made=made: not made.is_connected(), "disconnected")
        made.loop_stop()
    return numbers


def check(durability, interval, how):
    with tempfile.TemporaryDirectory(prefix="libmqtt-loss-") as directory:
        broker = Broker(directory, "--durability", durability)
        broker.start()
        away, _ = subscriber("away", 4, broker.port, "load/#", 1)
        away.disconnect()
        away.loop_stop()
        if how == signal.SIGKILL:
            # The session itself is to be there.
            broker.end(signal.SIGTERM)
            broker.start()
        publisher = Publisher("load", 5, broker.port, size=20)
        try:
            acked = load(publisher, LOAD)
        finally:
            killed = time.monotonic()
            broker.end(how)
            publisher.client.loop_stop()
        broker.start()
        try:
            found = drain(broker)
        finally:
            broker.end()
    lost = sorted(acked.keys() - set(found))
    oldest = max((killed - acked[number] for number in lost), default=0)
    print(
        f"{durability:6} {signal.Signals(how).name:8} acknowledged {len(acked):6}, lost"
        f" {len(lost):6}, the first of them {oldest * 1000:4.0f} ms before"
    )
    assert found == list(range(len(found))), "not the beginning, in order"
    if how == signal.SIGTERM:
        assert not lost
    elif interval is not None:
        assert oldest <= interval + WRITES, oldest
        assert len(acked) > len(lost), "nothing was stored in time"
    else:
        # Nothing is written before it is told to, or much has gathered.
        assert len(lost) == len(acked), "it stores after all"


def main():
    for durability, interval in [(f"{INTERVAL * 1000:.0f}ms", INTERVAL), ("off", None)]:
        for how in [signal.SIGTERM, signal.SIGKILL]:
            check(durability, interval, how)


if __name__ == "__main__":
    sys.exit(main())
