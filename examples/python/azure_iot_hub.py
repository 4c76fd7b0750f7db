"""A device of Azure IoT Hub, with a SAS token.

python azure_iot_hub.py HUB.azure-devices.net DEVICE KEY [CA_FILE]

KEY is the device's primary key, in Base64. The rules are those of
https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub: MQTT 3.1.1 over TLS at 8883,
QoS 0 and 1, and the Client Identifier is the device's.
"""

import base64
import hashlib
import hmac
import sys
import time
from typing import Optional
from urllib.parse import quote_plus

from libmqtt import TLS, Client, Version

API = "2021-04-12"


def sas_token(resource: str, key: str, lifetime_s: int = 3600) -> str:
    """Make a token that opens a resource for a while."""
    where, until = quote_plus(resource), int(time.time()) + lifetime_s
    digest = hmac.new(base64.b64decode(key), f"{where}\n{until}".encode(), hashlib.sha256).digest()
    signature = quote_plus(base64.b64encode(digest))
    return f"SharedAccessSignature sr={where}&sig={signature}&se={until}"


def device(hub: str, name: str, key: str, ca_file: Optional[str] = None) -> Client:
    """Make the client of a device. `hub` may end with a port."""
    host = hub.split(":")[0]
    return Client(
        f"mqtts://{hub}",
        tls=TLS(ca_file=ca_file) if ca_file else True,
        version=Version.V311,
        client_id=name,
        user_name=f"{host}/{name}/?api-version={API}",
        password=sas_token(f"{host}/devices/{name}", key),
        clean_start=False,  # what the cloud sends meanwhile is kept
        session_expiry_s=3600,
        accept_unknown_session=True,
        keep_alive_s=240,
    )


def main() -> None:
    """Send a reading, and hear what the cloud says."""
    hub, name, key = sys.argv[1:4]
    with device(hub, name, key, *sys.argv[4:5]) as client:
        client.subscribe(f"devices/{name}/messages/devicebound/#", qos=1)
        # Properties of a message are the end of its topic.
        properties = "$.ct=application%2Fjson&$.ce=utf-8"
        topic = f"devices/{name}/messages/events/{properties}"
        client.publish(topic, '{"temperature": 21.5}', qos=1).wait(timeout=30)
        print("the hub has it")
        command = client.receive(timeout=30)
        print(f"the cloud says {command.text!r}")


if __name__ == "__main__":
    main()
