"""What README has people run first."""

import queue
import re
import signal

import pytest
from programs import BINARY, PATIENCE, Process


class Address:
    def __init__(self, port):
        self.port = port


@pytest.mark.programs("mosquitto", "paho", "mqttjs")
@pytest.mark.versions("3.1.1")
def test_make_run_gives_a_broker_and_says_what_to_type(broker, program, version):
    lines = queue.Queue()
    embedded = Process([str(BINARY.parent / "examples" / "embedded")], lines.put)
    said = ""
    while not (found := re.search(r"127\.0\.0\.1, port (\d+)", said)):
        said += lines.get(timeout=PATIENCE) + "\n"
    address = Address(int(found[1]))
    greeting = program.subscribe(address, "hello/#", version=version)
    assert greeting.next()[:4] == ("hello/broker", b"is here", 0, True)
    program.publish(address, "hello/world", b"it works", version=version)
    assert greeting.next()[:2] == ("hello/world", b"it works")
    greeting.disconnect()
    assert embedded.end() == -signal.SIGTERM
    rest = iter(lambda: lines.get(timeout=PATIENCE), None)
    said += "\n".join(rest)
    for tool in ["mosquitto_sub", "mosquitto_pub", "-- sub", "-- pub"]:
        assert re.search(rf"{tool} .*-p {address.port} ", said), said
