"""Small proxies on loopback, each for any number of connections, until `close`."""

import base64
import contextlib
import socket
import struct
import threading


class Proxy:
    """Accepts, lets `begin` connect to somewhere, and passes bytes on both ways."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.served = 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listening.accept()
                threading.Thread(target=self.serve, args=[near], daemon=True).start()

    def serve(self, near):
        with near, contextlib.suppress(OSError), self.begin(near) as far:
            self.served += 1
            back = threading.Thread(target=pump, args=[far, near], daemon=True)
            back.start()
            pump(near, far)
            back.join()

    def close(self):
        self.listening.close()


def pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def exactly(near, count):
    data = b""
    while len(data) < count:
        if not (more := near.recv(count - len(data))):
            raise OSError("closed")
        data += more
    return data


class HttpProxy(Proxy):
    """HTTP CONNECT, for user u with password p."""

    def begin(self, near):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += exactly(near, 1)
        lines = head.decode().split("\r\n")
        login = base64.b64encode(b"u:p").decode()
        if f"Proxy-Authorization: Basic {login}" not in lines:
            near.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            raise OSError("no login")
        host, port = lines[0].split(" ")[1].rsplit(":", 1)
        far = socket.create_connection((host, int(port)), 20)
        near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return far


class SocksProxy(Proxy):
    """SOCKS 5, for user u with password p."""

    def begin(self, near):
        _, count = exactly(near, 2)
        methods = exactly(near, count)
        near.sendall(bytes([5, 2 if 2 in methods else 255]))
        _, length = exactly(near, 2)
        user = exactly(near, length)
        password = exactly(near, exactly(near, 1)[0])
        near.sendall(bytes([1, (user, password) != (b"u", b"p")]))
        _, _, _, kind = exactly(near, 4)
        if kind == 1:
            host = socket.inet_ntoa(exactly(near, 4))
        else:
            host = exactly(near, exactly(near, 1)[0]).decode()
        (port,) = struct.unpack("!H", exactly(near, 2))
        far = socket.create_connection((host, port), 20)
        near.sendall(bytes([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
        return far


class HeaderProxy(Proxy):
    """In front of a listener: sends this header of the PROXY protocol first."""

    def __init__(self, port, header):
        self.target, self.header = port, header
        super().__init__()

    def begin(self, near):
        far = socket.create_connection(("127.0.0.1", self.target), 20)
        far.sendall(self.header)
        return far


V1 = b"PROXY TCP4 192.0.2.1 192.0.2.9 5000 1883\r\n"
V2 = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
    + bytes([192, 0, 2, 2, 192, 0, 2, 9])
    + b"\x13\x88\x07\x5b"
)
