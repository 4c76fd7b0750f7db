"""A thing of AWS IoT Core, with its certificate.

python aws_iot.py ID-ats.iot.REGION.amazonaws.com THING FOLDER [PORT]

FOLDER has ca.pem (Amazon Root CA 1), client.pem and client.key. At port 443 the server wants to be
told by ALPN that this is MQTT with a certificate, `x-amzn-mqtt-ca`; at 8883 that does no harm. It
takes QoS 0 and 1. Its policy for the certificate says which Client Identifier and which topics are
allowed: here the thing's name, and topics that begin with it.
"""

import sys
from pathlib import Path

from libmqtt import TLS, Client


def thing(endpoint: str, name: str, folder: Path, port: int = 443) -> Client:
    """Make the client of a thing."""
    tls = TLS(
        ca_file=folder / "ca.pem",
        cert_file=folder / "client.pem",
        key_file=folder / "client.key",
        alpn="x-amzn-mqtt-ca",
    )
    return Client(f"mqtts://{endpoint}:{port}", tls=tls, client_id=name, session_expiry_s=3600)


def main() -> None:
    """Report a state to the thing's shadow, and send a reading."""
    endpoint, name, folder = sys.argv[1:4]
    port = int(sys.argv[4]) if len(sys.argv) > 4 else 443
    with thing(endpoint, name, Path(folder), port) as client:
        shadow = f"$aws/things/{name}/shadow/update"
        client.subscribe(f"{name}/commands", qos=1)
        client.publish(shadow, '{"state": {"reported": {"on": true}}}', qos=1).wait(timeout=30)
        client.publish(f"{name}/readings", '{"temperature": 21.5}', qos=1).wait(timeout=30)
        print("the cloud has it")
        print(f"the cloud says {client.receive(timeout=30).text!r}")


if __name__ == "__main__":
    main()
