"""Any number of paho-mqtt clients, told what to do by lines of JSON (see ../programs.py)."""

import json
import sys
import threading

from paho.mqtt.client import (
    CallbackAPIVersion,
    Client,
    MQTTv5,
    MQTTv31,
    MQTTv311,
)
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

VERSIONS = {"3.1": MQTTv31, "3.1.1": MQTTv311, "5.0": MQTTv5}
NAMES = {
    "format": "PayloadFormatIndicator",
    "expiry": "MessageExpiryInterval",
    "content_type": "ContentType",
    "response_topic": "ResponseTopic",
    "correlation": "CorrelationData",
    "user": "UserProperty",
}
writing = threading.Lock()


def say(name, event, **rest):
    with writing:
        print(json.dumps({"client": name, "event": event, **rest}), flush=True)


def properties_of(message):
    given = getattr(message, "properties", None)
    found = {}
    for short, long in NAMES.items():
        value = getattr(given, long, None)
        if value is not None:
            found[short] = value.hex() if short == "correlation" else value
    found["identifiers"] = list(getattr(given, "SubscriptionIdentifier", None) or [])
    return found


def make(name, port, version, client_id, clean, session_expiry, username, password, will):
    v5 = version == "5.0"
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if v5 else clean,
        protocol=VERSIONS[version],
        reconnect_on_failure=False,
    )
    if username is not None:
        client.username_pw_set(username, password)
    if will:
        client.will_set(will["topic"], bytes.fromhex(will["payload"]), will["qos"], will["retain"])

    def on_connect(_client, _data, flags, reason, _properties):
        if reason.is_failure:
            say(name, "refused", reason=reason.value)
        else:
            say(name, "connected", session_present=flags.session_present)

    def on_message(_client, _data, m):
        say(
            name,
            "message",
            topic=m.topic,
            payload=m.payload.hex(),
            qos=m.qos,
            retain=bool(m.retain),
            properties=properties_of(m),
        )

    def on_subscribe(_client, _data, _mid, reasons, _properties):
        say(name, "subscribed", reasons=[r.value for r in reasons])

    def on_disconnect(_client, _data, _flags, reason, _properties):
        say(name, "closed", reason=reason.value)

    client.on_connect = on_connect
    client.on_message = on_message
    client.on_subscribe = on_subscribe
    client.on_disconnect = on_disconnect
    more = {}
    if v5:
        more["clean_start"] = clean
        more["properties"] = Properties(PacketTypes.CONNECT)
        more["properties"].SessionExpiryInterval = session_expiry
    client.connect("127.0.0.1", port, **more)
    client.loop_start()
    return client


def subscribe(client, filters, qos, identifier):
    if client.protocol != MQTTv5:
        client.subscribe([(f, qos) for f in filters])
        return
    properties = Properties(PacketTypes.SUBSCRIBE)
    if identifier:
        properties.SubscriptionIdentifier = identifier
    client.subscribe([(f, SubscribeOptions(qos=qos)) for f in filters], properties=properties)


def publish(name, client, topic, payloads, qos, retain, properties):
    more = None
    if properties:
        more = Properties(PacketTypes.PUBLISH)
        for short, value in properties.items():
            if short == "correlation":
                value = bytes.fromhex(value)
            elif short == "user":
                value = [tuple(pair) for pair in value]
            setattr(more, NAMES[short], value)
    sent = [client.publish(topic, bytes.fromhex(p), qos, retain, more) for p in payloads]
    for each in sent:
        each.wait_for_publish(20)
    if all(each.is_published() for each in sent):
        say(name, "published")


def main():
    clients = {}
    for line in sys.stdin:
        order = json.loads(line)
        name, do = order.pop("client"), order.pop("do")
        if do == "connect":
            clients[name] = make(name, **order)
        elif do == "subscribe":
            subscribe(clients[name], **order)
        elif do == "publish":
            publish(name, clients[name], **order)
        elif do == "disconnect":
            client = clients.pop(name)
            client.disconnect()
            client.loop_stop()


main()
