"""Client programs of several makers behind one face.

`Tools` and `Library` subscribe and publish alike. Command line tools are started anew for each
client. Libraries are driven in a process that holds any number of clients and is told what
to do by lines of JSON: `{"client", "do": connect | subscribe | publish | disconnect, …}`; what
happens comes back as `{"client", "event": connected | refused | subscribed | published | message
| closed, …}`.
"""

import itertools
import json
import os
import queue
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "libmqtt"
PATIENCE = 20  # seconds until something that must come counts as lost
VERSIONS = ["3.1", "3.1.1", "5.0"]


class Message(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: dict


class Refused(Exception):
    """The broker refused the connection, with this reason code."""

    def __init__(self, reason, *details):
        super().__init__(reason, *details)
        self.reason = reason


class Subscriber:
    """A client that has subscribed. `session_present` is None where the program does not tell."""

    session_present = None

    def __init__(self):
        self.messages = queue.Queue()

    def next(self):
        """The next message."""
        found = self.messages.get(timeout=PATIENCE)
        assert found is not None, "the client ended"
        return found

    def take(self, count):
        """The payloads of the next messages."""
        return [self.next().payload for _ in range(count)]


class Process:
    """A child whose lines of output, and of errors, go to `heard`; after the last one None."""

    def __init__(self, command, heard, **more):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.child = subprocess.Popen(command, text=True, **pipes, **more)
        self.heard = heard
        self.errors = threading.Thread(target=self.read, args=[self.child.stderr], daemon=True)
        self.output = threading.Thread(target=self.read_all, daemon=True)
        self.errors.start()
        self.output.start()

    def read(self, pipe):
        for line in pipe:
            self.heard(line.rstrip("\n"))

    def read_all(self):
        self.read(self.child.stdout)
        self.errors.join()
        self.heard(None)

    def end(self, how="terminate"):
        """Ends it, and gives its exit status."""
        getattr(self.child, how)()
        status = self.child.wait(PATIENCE)
        self.output.join(PATIENCE)
        for pipe in (self.child.stdout, self.child.stderr, self.child.stdin):
            if pipe:
                pipe.close()
        return status


# ---- command line tools


TOOL_VERSIONS = {"3.1": "mqttv31", "3.1.1": "mqttv311", "5.0": "mqttv5"}
TOOL_FORMAT = "MESSAGE\t%q\t%r\t%t\t%x\t%F\t%E\t%C\t%R\t%D\t%P\t%S"
TOOL_PROPERTIES = {
    "format": lambda v: [("payload-format-indicator", str(v))],
    "expiry": lambda v: [("message-expiry-interval", str(v))],
    "content_type": lambda v: [("content-type", v)],
    "response_topic": lambda v: [("response-topic", v)],
    "correlation": lambda v: [("correlation-data", bytes.fromhex(v).decode())],
    "user": lambda v: [("user-property", name, value) for name, value in v],
}


class Tools:
    """A pair of commands with mosquitto_sub's and mosquitto_pub's options."""

    def __init__(self, sub, pub):
        self.sub, self.pub = sub, pub
        self.open = []

    def another(self):
        """Tools that share no process with these."""
        return self

    def close(self):
        for subscriber in list(self.open):
            subscriber.end("kill")

    @staticmethod
    def connection(
        broker, version, client_id=None, clean=True, will=None, username=None, password=None
    ):
        args = ["-h", "127.0.0.1", "-p", str(broker.port), "-V", TOOL_VERSIONS[version]]
        if client_id is not None:
            args += ["-i", client_id]
        if not clean:
            args += ["-c", *(["-x", "1000"] if version == "5.0" else [])]
        if will:
            args += ["--will-topic", will.topic, "--will-payload", will.payload.decode()]
            args += ["--will-qos", str(will.qos), *(["--will-retain"] if will.retain else [])]
        if username is not None:
            args += ["-u", username, "-P", password]
        return args

    def subscribe(self, broker, *filters, version, qos=0, identifier=None, **connection):
        args = [*self.sub, *self.connection(broker, version, **connection)]
        args += ["-d", "-F", TOOL_FORMAT, "-q", str(qos), *(x for f in filters for x in ("-t", f))]
        if identifier:
            args += ["-D", "subscribe", "subscription-identifier", str(identifier)]
        return ToolSubscriber(self, args)

    def publish(
        self, broker, topic, *payloads, version, qos=0, retain=False, properties=None, **connection
    ):
        args = [*self.pub, *self.connection(broker, version, **connection)]
        args += ["-t", topic, "-q", str(qos), *(["-r"] if retain else [])]
        for name, value in (properties or {}).items():
            for words in TOOL_PROPERTIES[name](value):
                args += ["-D", "publish", *words]
        if len(payloads) > 1:
            args, given = [*args, "-l"], b"".join(p + b"\n" for p in payloads)
        elif payloads[0]:
            args, given = [*args, "-s"], payloads[0]
        else:
            args, given = [*args, "-n"], b""
        done = subprocess.run(args, input=given, capture_output=True, timeout=PATIENCE, check=False)
        if done.returncode:
            raise Refused(done.returncode, done.stderr.decode())


class ToolSubscriber(Subscriber):
    def __init__(self, tools, args):
        super().__init__()
        self.ready, self.subscribed, self.said = threading.Event(), False, []
        self.tools = tools
        tools.open.append(self)
        self.process = Process(args, self.heard)
        assert self.ready.wait(PATIENCE), (args, self.said)
        if not self.subscribed:
            raise Refused(self.end("terminate"), *self.said)

    def heard(self, line):
        """A line with a message, or what `-d` has printed."""
        if line is None:
            self.messages.put(None)
            self.ready.set()
        elif line.startswith("MESSAGE\t"):
            self.messages.put(self.message(line.split("\t")[1:]))
        else:
            self.said.append(line)
            if found := re.search("session present: (true|false)", line):
                self.session_present = found[1] == "true"
            if line.lower().startswith("subscribed"):
                self.subscribed = True
                self.ready.set()

    @staticmethod
    def message(cells):
        qos, retain, topic, payload, format_, expiry, content, response, data, user, ids = cells
        properties = {"identifiers": [int(i) for i in ids.split()]}
        if format_:
            properties["format"] = int(format_)
        if expiry:
            properties["expiry"] = int(expiry)
        if content:
            properties["content_type"] = content
        if response:
            properties["response_topic"] = response
        if data:
            properties["correlation"] = data.encode().hex()
        if user:
            properties["user"] = [pair.split(":") for pair in user.split(" ")]
        return Message(topic, bytes.fromhex(payload), int(qos), retain == "1", properties)

    def end(self, how):
        if self in self.tools.open:
            self.tools.open.remove(self)
        return self.process.end(how)

    def disconnect(self):
        self.end("terminate")

    def kill(self):
        self.end("kill")


# ---- libraries


class Library:
    """A library, in a process of its own that is started when it is first wanted."""

    numbers = itertools.count()

    def __init__(self, command):
        self.command = command
        self.process = None
        self.clients = {}
        self.others = []

    def another(self):
        """The same library in a second process."""
        self.others.append(Library(self.command))
        return self.others[-1]

    def close(self):
        for other in self.others:
            other.close()
        if self.process:
            self.process.end("kill")
            self.process = None

    def heard(self, line):
        if line is None:
            for client in self.clients.values():
                client.heard(None)
            return
        if line.startswith("{"):
            event = json.loads(line)
            self.clients[event["client"]].heard(event)
        else:
            print(line, file=sys.stderr)

    def tell(self, client, do, **order):
        if self.process is None:
            self.process = Process(self.command, self.heard, stdin=subprocess.PIPE)
        self.process.child.stdin.write(json.dumps({"client": client, "do": do, **order}) + "\n")
        self.process.child.stdin.flush()

    def client(
        self, broker, version, client_id=None, clean=True, will=None, username=None, password=None
    ):
        name = f"c{os.getpid()}-{next(self.numbers)}"
        self.clients[name] = client = LibraryClient(self, name)
        if will:
            will = {
                "topic": will.topic,
                "payload": will.payload.hex(),
                "qos": will.qos,
                "retain": will.retain,
            }
        self.tell(
            name,
            "connect",
            port=broker.port,
            version=version,
            client_id=client_id or name,
            clean=clean,
            session_expiry=0 if clean else 1000,
            username=username,
            password=password,
            will=will,
        )
        client.session_present = client.wait("connected")["session_present"]
        return client

    def subscribe(self, broker, *filters, version, qos=0, identifier=None, **connection):
        client = self.client(broker, version, **connection)
        self.tell(client.name, "subscribe", filters=filters, qos=qos, identifier=identifier)
        reasons = client.wait("subscribed")["reasons"]
        assert reasons == [qos] * len(filters), reasons
        return client

    def publish(
        self, broker, topic, *payloads, version, qos=0, retain=False, properties=None, **connection
    ):
        client = self.client(broker, version, **connection)
        self.tell(
            client.name,
            "publish",
            topic=topic,
            payloads=[p.hex() for p in payloads],
            qos=qos,
            retain=retain,
            properties=properties,
        )
        client.wait("published")
        client.disconnect()


class LibraryClient(Subscriber):
    def __init__(self, library, name):
        super().__init__()
        self.library, self.name = library, name
        self.events = queue.Queue()

    def heard(self, event):
        if event is None:
            self.messages.put(None)
            self.events.put({"event": "gone"})
        elif event["event"] == "message":
            payload = bytes.fromhex(event["payload"])
            rest = (event["qos"], event["retain"], event["properties"])
            self.messages.put(Message(event["topic"], payload, *rest))
        else:
            self.events.put(event)

    def wait(self, wanted):
        event = self.events.get(timeout=PATIENCE)
        if event["event"] == "refused":
            raise Refused(event["reason"])
        assert event["event"] == wanted, event
        return event

    def disconnect(self):
        self.library.tell(self.name, "disconnect")
        self.wait("closed")

    def kill(self):
        """Ends the process, with all its clients."""
        self.library.process.end("kill")
        self.library.process = None


MAKERS = {
    "mosquitto": lambda: Tools(["stdbuf", "-oL", "mosquitto_sub"], ["mosquitto_pub"]),
    "paho": lambda: Library([sys.executable, str(HERE / "drivers/paho_clients.py")]),
    "mqttjs": lambda: Library(["node", str(HERE / "drivers/mqttjs_clients.mjs")]),
    "libmqtt": lambda: Tools([str(BINARY), "sub"], [str(BINARY), "pub"]),
}
