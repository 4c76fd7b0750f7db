"""How clients reach a broker, and how a broker is reached: TLS and listeners."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Union

from .errors import Status, UsageError

__all__ = ["TLS", "Listener"]

Paths = Union[str, "os.PathLike[str]", Sequence[Union[str, "os.PathLike[str]"]]]
Data = Union[bytes, str]
Setting = tuple[str, Union[str, bytes]]


def _several(value: Any, kinds: tuple[type, ...]) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, kinds) else list(value)


class TLS:
    """TLS of a client or of a listener. Files are PEM or DER; keys are not encrypted.

        Client("mqtts://broker.example", tls=TLS(ca_file="ca.pem"))
        Broker(tls=TLS(cert_file="server.pem", key_file="server.key"))

    A client checks that somebody whom it trusts has issued the server's certificate, for this
    host. It trusts `ca_file`, `ca_folder` and `ca_data`; if none is given, whom the system trusts;
    with `system_roots` True, both. `cert_file` and `key_file`, or `cert_data` and `key_data`, are
    its own certificate.

    - `crl_file`, `crl_data`: revoked certificates, by every issuer
    - `versions`: "1.2+1.3" (the default), "1.2" or "1.3"
    - `ciphers`: by their names of IANA or OpenSSL
    - `alpn`: application protocols, best first
    - `server_name`: of a client: the name to ask for and to expect, instead of the host
    - `dangerous_verification`: of a client: with "any_host_name" WHOEVER HAS ANY TRUSTED
      CERTIFICATE CAN POSE AS THE SERVER, with "nothing" ANYONE CAN
    - `client_certificates`: of a listener: "none" (the default), "optional" or "required"

    A listener may have several certificates with their keys, in the same order: it shows the first
    for the host that a client names. Files that have changed are read again for later connections.

    An `ssl.SSLContext` cannot be used: TLS is not done by Python's `ssl`.
    """

    __slots__ = ("_settings",)

    def __init__(
        self,
        *,
        ca_file: Paths | None = None,
        ca_folder: Paths | None = None,
        ca_data: Data | None = None,
        system_roots: bool | None = None,
        cert_file: Paths | None = None,
        key_file: Paths | None = None,
        cert_data: Data | None = None,
        key_data: Data | None = None,
        crl_file: Paths | None = None,
        crl_data: Data | None = None,
        versions: Literal["1.2+1.3", "1.2", "1.3"] | None = None,
        ciphers: str | Sequence[str] | None = None,
        alpn: str | Sequence[str] | None = None,
        server_name: str | None = None,
        dangerous_verification: Literal["any_host_name", "nothing"] | None = None,
        client_certificates: Literal["none", "optional", "required"] | None = None,
    ) -> None:
        settings: list[Setting] = []
        files = {"ca_file": ca_file, "ca_folder": ca_folder, "cert_file": cert_file,
                 "key_file": key_file, "crl_file": crl_file}  # fmt: skip
        for name, paths in files.items():
            settings += [(name, os.fspath(path)) for path in _several(paths, (str, os.PathLike))]
        memory = {"ca": ca_data, "cert": cert_data, "key": key_data, "crl": crl_data}
        for name, data in memory.items():
            if data is not None:
                settings.append((name, data.encode() if isinstance(data, str) else bytes(data)))
        if system_roots is not None:
            settings.append(("system_roots", "true" if system_roots else "false"))
        words = {
            "versions": versions,
            "ciphers": ":".join(_several(ciphers, (str,))) or None,
            "alpn": ",".join(_several(alpn, (str,))) or None,
            "server_name": server_name,
            "dangerous_verification": dangerous_verification,
            "client_certificates": client_certificates,
        }
        settings += [(name, word) for name, word in words.items() if word is not None]
        self._settings = settings

    def __repr__(self) -> str:
        # What is in memory may be a key.
        given = [
            f"{name}={value!r}" if isinstance(value, str) else f"{name}_data=..."
            for name, value in self._settings
        ]
        return f"TLS({', '.join(given)})"


if TYPE_CHECKING:
    AnyTLS = Union[TLS, bool, str, os.PathLike[str], Mapping[str, Any], None]
    """A TLS; its arguments; the `ca_file` alone; True: as by default; False and None: none."""


def _tls(value: AnyTLS) -> list[Setting] | None:
    """Make settings of what is given as `tls`."""
    if isinstance(value, TLS):
        return value._settings
    if value is None or value is False:
        return None
    if value is True:
        return []
    if isinstance(value, (str, os.PathLike)):
        return TLS(ca_file=value)._settings
    if isinstance(value, Mapping):
        return TLS(**value)._settings
    why = f"tls is {value!r}, not a libmqtt.TLS"
    if isinstance(value, ssl.SSLContext):
        why = (
            "an ssl.SSLContext cannot be used, since TLS is not done by Python's ssl: give the "
            "same files to libmqtt.TLS(ca_file=..., cert_file=..., key_file=...)"
        )
    raise UsageError(why, status=Status.BAD_ARGUMENT)


class Listener:
    """Where and how a broker listens.

        Broker(listeners=["mqtt://127.0.0.1:1883", Listener("ws://127.0.0.1:8080", page=True)])

    `url` is `mqtt://ADDRESS:PORT`, `mqtts://...`, `ws://...`, `wss://...`, `unix:PATH` or
    `unix:@NAME` (a name of Linux's abstract namespace). Port 0 is any free port. With a path in its
    URL a WebSocket listener serves that path alone.

    - `tls`: for mqtts and wss: see `TLS`
    - `certificate_user`: whether clients' certificates, which `tls` must require, say who they
      are: by their "common_name" or their whole "subject"
    - `proxy_protocol`: a proxy in front sends headers of the PROXY protocol: "1", "2" or "any"
    - `trusted_proxies`: whose headers are believed, those and `X-Forwarded-For`: addresses and
      networks
    - `origins`: of WebSocket: pages whose scripts may connect, `https://example.org`; by default
      all, or with the page those of this machine
    - `page`: of WebSocket: whether to serve the page that shows the broker in a browser
    - `backlog`: connections that may wait to be accepted
    - `v6_only`: of an IPv6 address: whether IPv4 peers are kept out
    - `no_delay`: TCP_NODELAY; by default yes
    """

    __slots__ = ("_spec", "url")

    def __init__(
        self,
        url: str,
        *,
        tls: AnyTLS = None,
        certificate_user: Literal["no", "common_name", "subject"] | None = None,
        proxy_protocol: Literal["1", "2", "any"] | None = None,
        trusted_proxies: Sequence[str] = (),
        origins: Sequence[str] = (),
        page: bool = False,
        backlog: int | None = None,
        v6_only: bool | None = None,
        no_delay: bool | None = None,
    ) -> None:
        self.url = url
        """Where it is to listen."""
        options = [("trusted_proxy", proxy) for proxy in _several(trusted_proxies, (str,))]
        options += [("origin", origin) for origin in _several(origins, (str,))]
        single = {
            "certificate_user": certificate_user,
            "proxy_protocol": proxy_protocol,
            "page": page or None,
            "backlog": backlog,
            "v6_only": v6_only,
            "no_delay": no_delay,
        }
        for name, value in single.items():
            if value is not None:
                options.append(
                    (name, str(value).lower() if isinstance(value, bool) else f"{value}")
                )
        self._spec = (url, _tls(tls), options)

    def __repr__(self) -> str:
        return f"Listener({self.url!r})"


def prepared(options: Mapping[str, Any]) -> dict[str, Any]:
    """Make of a client's options what the native module takes."""
    given = dict(options)
    if "tls" in given:
        given["tls"] = _tls(given["tls"])
    headers = given.get("web_socket_headers")
    if isinstance(headers, Mapping):
        given["web_socket_headers"] = list(headers.items())
    return given
