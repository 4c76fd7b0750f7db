"""Certificates for tests, made by openssl."""

import subprocess
from pathlib import Path

EXTENSIONS = """
[server]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost,IP:127.0.0.1
[client]
basicConstraints = CA:FALSE
extendedKeyUsage = clientAuth
"""


def openssl(*words):
    command = ["openssl", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


class Pki:
    """An authority in a folder, a server's certificate and a client's, in PEM."""

    def __init__(self, folder):
        self.folder = Path(folder)
        (self.folder / "ext").write_text(EXTENSIONS)
        self.ca, ca_key = self.folder / "ca.crt", self.folder / "ca.key"
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        made = ["-keyout", ca_key, "-out", self.ca, "-days", "3650", "-subj", "/CN=Authority"]
        openssl("req", "-x509", *key, *made)
        for name, kind in [("server", "server"), ("ada", "client")]:
            crt, request = self.folder / f"{name}.crt", self.folder / f"{name}.csr"
            made = ["-keyout", self.folder / f"{name}.key", "-out", request]
            openssl("req", *key, *made, "-subj", f"/CN={name}")
            by = ["-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "3650"]
            how = ["-extfile", self.folder / "ext", "-extensions", kind]
            openssl("x509", "-req", "-in", request, "-out", crt, *by, *how)

    def of(self, name):
        """Certificate and key."""
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"
