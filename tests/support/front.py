# SPDX-License-Identifier: MIT
"""nginx as a TLS front of the intake, as a customer's own gateway would be."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

CONFIG = """
daemon off;
master_process off;
pid {dir}/pid;
error_log {dir}/error.log warn;
events {{ worker_connections 64; }}
http {{
    log_format plain '$server_protocol $ssl_protocol $status $request_uri';
    access_log {dir}/access.log plain;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    client_max_body_size {body_max};
    server {{
        listen 127.0.0.1:{port} ssl{http2};
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_protocols {protocols};
        {clients}
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_request_buffering on;
            proxy_read_timeout {patience};
        }}
    }}
}}
"""


def program():
    """Path of nginx, None where it is not installed."""
    return shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


class Front:
    """One nginx in the foreground; with Front(intake, certificate) as front: ... front.url ..."""

    def __init__(self, intake, certificate, protocols="TLSv1.2 TLSv1.3", http2=True, body_max="16m", clients_ca=None,
                 patience="60s"):
        """clients_ca: who must vouch for whoever comes; patience: how long it waits for the server behind it"""
        self._path = intake.dialect.path
        self._keys = {"backend": intake.port, "chain": certificate.chain, "key": certificate.key,
                      "protocols": protocols, "http2": " http2" if http2 else "", "body_max": body_max,
                      "patience": patience,
                      "clients": f"ssl_client_certificate {clients_ca}; ssl_verify_client on;" if clients_ca else ""}
        self.ca = certificate.ca
        self.port = None
        self._dir = Path(tempfile.mkdtemp(prefix="front-"))
        self._process = None

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}{self._path}"

    def requests(self):
        """(HTTP version, TLS version, status, path) of each request that nginx is done with."""
        path = self._dir / "access.log"
        return [tuple(text.split()) for text in path.read_text().splitlines()] if path.exists() else []

    def __enter__(self):
        for _ in range(5):  # somebody else may take the free port before nginx does
            self.port = _free_port()
            if self._starts():
                return self
        text = (self._dir / "error.log").read_text()
        self.__exit__()
        raise RuntimeError(f"nginx does not start: {text}")

    def __exit__(self, *exc):
        if self._process:
            self._process.terminate()
            self._process.wait(10)
        shutil.rmtree(self._dir, ignore_errors=True)

    def _starts(self):
        config = self._dir / "nginx.conf"
        config.write_text(CONFIG.format(dir=self._dir, port=self.port, **self._keys))
        self._process = subprocess.Popen([program(), "-p", self._dir, "-e", self._dir / "error.log", "-c", config],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while self._process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                time.sleep(0.01)
        self._process.kill()
        self._process.wait()
        return False


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
