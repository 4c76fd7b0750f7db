"""A broker and a client that prove to each other who they are.

python tls.py FOLDER, with ca.pem, server.pem, server.key, client.pem and client.key in it
"""

import sys
from pathlib import Path

from libmqtt import TLS, Broker, Client, ClientInfo, Listener


def connected(client: ClientInfo) -> None:
    """Tell who has come."""
    print(f"{client.user_name} is here: {client.certificate_subject}")


def main() -> None:
    """Publish through mutual TLS."""
    folder = Path(sys.argv[1])

    # The broker demands certificates, and takes users' names from them.
    tls = TLS(
        cert_file=folder / "server.pem",
        key_file=folder / "server.key",
        ca_file=folder / "ca.pem",
        client_certificates="required",
    )
    listener = Listener("mqtts://127.0.0.1:0", tls=tls, certificate_user="common_name")

    # The client trusts this authority alone.
    mine = TLS(
        ca_file=folder / "ca.pem",
        cert_file=folder / "client.pem",
        key_file=folder / "client.key",
    )
    broker = Broker(listeners=[listener], on_connect=connected)
    with broker, Client(broker.url, tls=mine) as client:
        client.subscribe("greetings/#", qos=1)
        client.publish("greetings/world", "in secret", qos=1).wait(timeout=10)
        print(client.receive(timeout=10).text)


if __name__ == "__main__":
    main()
