"""The same files of passwords and rights, the same questions, the same verdicts: ours and
mosquitto's. Where they differ, `DIFFERENCES` and the tests behind it say in what and why."""

import random
import shutil
import signal
import subprocess
import time

import paho.mqtt.client as paho
import pytest
from access import ROOT, Asker, Who, answers, start
from brokers import Broker
from programs import BINARY, PATIENCE

CLIENTS = [
    Who(None, "c1"),
    Who("ada", "c1"),
    Who("bob smith", "c2"),
    Who("nobody", "c3"),
    Who("a+b", "c4"),
    Who("ada", "c#5"),
    Who("%c", "c6"),
    Who("%u", "%u"),
]
TOPICS = [
    "a",
    "a/b",
    "a/b/c",
    "b/b",
    "/",
    "//",
    "a//b",
    "c1",
    "a/c1",
    "c1/ada",
    "ada",
    "ada/c1/b",
    "bob smith/b",
    "c2",
    "a/%c",
    "%u/b",
    "x-c1/b",
    "x-c1-ada",
    "c6/c6",
]

FILES = {
    "nothing": "",
    "everything": "topic #\nuser ada\ntopic #\n",
    "order of denials": (
        "topic readwrite a/#\ntopic deny a/b\n"
        "user ada\ntopic deny a/b/c\ntopic read a/#\ntopic write a/b/c\ntopic read +/+\n"
    ),
    "patterns": (
        "pattern read a/%c\npattern write %u/#\npattern readwrite x-%c-%u\npattern deny a/%u\n"
        "pattern read %c/%u\npattern read x-%c/b\npattern write %u/%c/b\n"
    ),
    "own rules before patterns": (
        "topic read a/#\ntopic deny a/c1\npattern readwrite a/%c\npattern deny a/b\n"
        "user ada\ntopic readwrite a/b\npattern read c1/#\ntopic read c1\n"
    ),
    "users twice": "user ada\ntopic read a/b\nuser bob smith\ntopic a\nuser ada\ntopic write a/b\n",
    "words and spaces": (
        "# comment\n\n topic  a/b  \r\ntopic readwrite  bob smith/b\nuser  bob smith \n"
        "topic readwrite a//b\ntopic write %u/b\ntopic a/%c\ntopic /\n"
    ),
    "wildcards": (
        "topic read +/b/#\ntopic write /+\ntopic deny //\nuser ada\ntopic a/#\ntopic write +\n"
        "user bob smith\ntopic read +/+\npattern write +/%c/#\npattern read %c/+\n"
    ),
    "patterns without names": "pattern read a/#\npattern deny a/b\npattern write b/b\n",
}


def by_chance(seed):
    """A file of access rights."""
    chance = random.Random(seed)
    levels = ["a", "b", "c", "+", "c1", "ada", "%c", "%u", "x-%c", "%u%c", ""]

    def topic():
        depth = chance.choice([1, 2, 2, 3])
        text = "/".join(chance.choice(levels) for _ in range(depth))
        return text + chance.choice(["", "", "/#"]) or "#"

    lines = []
    for _ in range(chance.randrange(1, 14)):
        what = chance.choice(["topic", "topic", "pattern", "user"])
        if what == "user":
            lines.append(f"user {chance.choice(CLIENTS[1:]).user}")
        else:
            access = chance.choice(["", "read ", "write ", "readwrite ", "deny "])
            lines.append(f"{what} {access}{topic()}")
    return "\n".join(lines) + "\n"


RANDOM = {f"by chance {seed}": by_chance(seed) for seed in range(12)}


@pytest.mark.parametrize("name", [*FILES, *RANDOM])
def test_the_same_rights_from_the_same_file(name, tmp_path):
    text = (FILES | RANDOM)[name]
    verdicts, codes = {}, {}
    for kind in ("mosquitto", "libmqtt"):
        broker = start(kind, tmp_path, text)
        verdicts[kind], codes[kind] = answers(broker.port, CLIENTS, TOPICS, ["#"])
        assert broker.stop()[0] == 0
    assert verdicts["libmqtt"] == verdicts["mosquitto"], text
    for (who, filter_), code in codes["libmqtt"].items():
        # mosquitto grants every subscription; we deny one that could never bring a message.
        assert codes["mosquitto"][who, filter_] == 0
        reads = any(v[:2] == ("read", who) for v in verdicts["mosquitto"])
        assert code in (0, 0x87) and not (reads and code), (text, who)


DIFFERENCES = """
1. A subscription that could never bring a message is answered Not authorized (mosquitto grants it).
2. A name with '/' reaches no other level, and one that begins with '$' not the broker's topics:
   patterns grant nothing for such a name (in mosquitto they do).
3. A CONNECT whose will may not be published is refused (mosquitto drops the will when it is due).
4. `topic read`, without a topic, is an error (mosquitto grants everything on the topic "read").
5. With a password file and no listener, clients need a user name (mosquitto lets others in, too).
"""


@pytest.fixture
def both(tmp_path):
    """Starts both brokers with the same rights."""
    started = []

    def run(acl, *directives):
        for kind in ("mosquitto", "libmqtt"):
            started.append(start(kind, tmp_path, acl, *directives))
        return started[-2:]

    yield run
    for broker in started:
        broker.stop()


def test_a_name_that_reaches_further_is_granted_nothing(both):
    clients = [Who("u/v", "c"), Who("u", "$SYS")]
    topics = ["a/u/v/x", "a/u/v"]
    theirs, ours = [
        answers(broker.port, clients, topics, ["#", "$SYS/#"])
        for broker in both("pattern readwrite a/%u/x\npattern read %c/#\n")
    ]
    assert {("read", clients[0], "a/u/v/x"), ("write", clients[0], "a/u/v/x")} <= theirs[0]
    assert not [v for v in ours[0] if v[1] == clients[0]]
    assert theirs[1][clients[1], "$SYS/#"] == 0 and ours[1][clients[1], "$SYS/#"] == 0x87


def test_a_will_needs_the_right_to_be_published(both):
    for broker in both("topic write ok\n"):
        root = Asker(broker.port, Who("root", "root"))
        root.subscribe("#")
        allowed = Asker(broker.port, Who(None, "w1"), will="ok")
        assert allowed.reason == 0
        denied = Asker(broker.port, Who(None, "w2"), will="no")
        assert denied.reason == (0 if broker.kind == "mosquitto" else 0x87)
        allowed.vanish()
        denied.vanish()
        end = time.monotonic() + PATIENCE
        while "ok" not in root.topics and time.monotonic() < end:
            root.publish("again")
        assert "ok" in root.topics and "no" not in root.topics
        root.close()


def test_sys_topics_need_a_right_of_their_own(both):
    for broker in both("topic read #\nuser ada\ntopic read $SYS/broker/version\n"):
        for who, wanted in [(Who(None, "c"), False), (Who("ada", "d"), True)]:
            asker = Asker(broker.port, who)
            asker.subscribe("$SYS/broker/version")
            asker.subscribe("none/such")
            assert ("$SYS/broker/version" in asker.seen()) == wanted
            asker.close()


def test_files_that_mosquitto_refuses_are_refused(tmp_path):
    wrong = ["topic", "topic rx a", "tpic a", "\ttopic a", "topic\tread a", "topic a/#/b", "user"]
    wrong += ["topic a+", "user ", " # comment", "TOPIC a", "topic READ a", "topic none a"]
    ours_only = ["topic read", "pattern deny"]
    for text in wrong + ours_only:
        file = tmp_path / "acl"
        file.write_text(text + "\n")
        conf = tmp_path / "conf"
        conf.write_text(f"listener 0 127.0.0.1\nacl_file {file}\n")
        said = subprocess.run(
            [BINARY, "broker", "-c", conf], capture_output=True, text=True, timeout=PATIENCE
        )
        assert said.returncode == 1 and f"acl_file {file}: line 1" in said.stderr, (text, said)
        if text in wrong:
            mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
            said = subprocess.run(
                [mosquitto, "-c", conf], capture_output=True, text=True, timeout=PATIENCE
            )
            assert "acl" in said.stderr.lower(), (text, said)


def test_rights_change_when_the_file_is_read_again(both):
    """By SIGHUP; a file that is wrong changes nothing."""
    for broker in both("topic read a/#\ntopic deny a/b\n"):
        (file,) = [line for line in broker.folder.joinpath("broker.conf").read_text().split("\n")
                   if line.startswith("acl_file")]  # fmt: skip
        file = file.split()[1]

        def change(text, file=file, broker=broker):
            with open(file, "w") as f:
                f.write(text)
            broker.process.child.send_signal(signal.SIGHUP)

        root = Asker(broker.port, Who("root", "root"))
        asker = Asker(broker.port, Who(None, "c"))
        asker.subscribe("#")

        def reads(topic, root=root, asker=asker):
            root.publish(topic)
            asker.subscribe("none/such")
            return topic in asker.seen()

        def becomes(topic, wanted, reads=reads):
            end = time.monotonic() + PATIENCE
            while reads(topic) != wanted:
                assert time.monotonic() < end, f"{topic} is never {wanted}"

        assert reads("a/1") and not reads("a/b") and not reads("b")
        change("topic read b\n" + ROOT)
        becomes("b", True)
        assert not reads("a/1")
        if broker.kind == "libmqtt":
            lines = len(broker.log)
            change("topic read a/1\nnonsense\n" + ROOT)
            end = time.monotonic() + PATIENCE
            while not any("stays in force" in line for line in broker.log[lines:]):
                assert time.monotonic() < end
                root.publish("again")
            assert reads("b") and not reads("a/1")
        change("topic read a/1\n" + ROOT)
        becomes("a/1", True)
        assert not reads("b")
        asker.close()
        root.close()


def test_passwords_of_either_maker_open_both(tmp_path):
    """Files of mosquitto_passwd and of `libmqtt passwd`, and what is wrong with a CONNECT."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    passwd = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
    for command, file in ([passwd], theirs), ([str(BINARY), "passwd"], ours):
        for more, user, password in [
            (["-c"], "ada", "secret"),
            ([], "bob smith", "pä ss:word"),
            (["-H", "sha512"], "old", "weak"),
        ]:
            if more[:1] == ["-H"] and file == ours:
                continue  # ours reads the old kind and does not write it
            subprocess.run([*command, "-b", *more, file, user, password], check=True)
    tries = [
        (Who(None, "t"), None),
        (Who("ada", "t"), "secret"),
        (Who("ada", "t"), "Secret"),
        (Who("ada", "t"), ""),
        (Who("ada", "t"), None),
        (Who("bob smith", "t"), "pä ss:word"),
        (Who("bob smith", "t"), "secret"),
        (Who("old", "t"), "weak"),
        (Who("old", "t"), "secret"),
        (Who("", "t"), "secret"),
        (Who("ADA", "t"), "secret"),
    ]
    for file in (theirs, ours):
        for anonymous in ("true", "false"):
            verdicts = []
            for kind in ("mosquitto", "libmqtt"):
                rules = [f"password_file {file}", f"allow_anonymous {anonymous}"]
                broker = Broker(kind, *rules)
                said = []
                for (who, password), version in [
                    (each, v) for each in tries for v in (paho.MQTTv311, paho.MQTTv5)
                ]:
                    asker = Asker(broker.port, who, password, version=version)
                    said.append(asker.reason == 0)
                    asker.close()
                verdicts.append(said)
                broker.stop()
            assert verdicts[0] == verdicts[1], (file.read_text(), anonymous)
            assert any(verdicts[0]) and not all(verdicts[0])
