# SPDX-License-Identifier: MIT
"""Certificates for the intake: an authority of our own, and what it vouches for, at any time and under any name."""

import os
import shutil
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass

CONFIG = """
[ca]
default_ca = ours
[ours]
dir = {dir}
database = $dir/index
new_certs_dir = $dir
rand_serial = yes
unique_subject = no
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = sha256
policy = any
x509_extensions = leaf
[any]
commonName = supplied
[leaf]
basicConstraints = CA:FALSE
subjectAltName = $ENV::LEAF_NAMES
[root]
basicConstraints = critical,CA:TRUE
subjectKeyIdentifier = hash
"""
DAY_S = 86400


@dataclass
class Certificate:
    """Paths of PEM files."""

    chain: str
    key: str
    ca: str  # who must be trusted

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


class Authority:
    """A CA in a directory of its own, which close() removes."""

    def __init__(self):
        self._dir = tempfile.mkdtemp(prefix="intake-ca-")
        self.ca = self._path("ca.pem")
        self._count = 0
        with open(self._path("config"), "w") as config:
            config.write(CONFIG.format(dir=self._dir))
        open(self._path("index"), "w").close()
        request = self._path("ca.csr")
        self._openssl("req", "-new", *self._new_key("ca.key"), "-subj", "/CN=intake for tests", "-out", request)
        # From ten years ago on, so that a leaf may be of any time.
        self._sign(request, self.ca, -3650 * DAY_S, 3650 * DAY_S, "-selfsign", "-extensions", "root")

    def issue(self, names=("IP:127.0.0.1", "DNS:localhost"), begin_s=-DAY_S, end_s=3650 * DAY_S):
        """A certificate for these names, valid from begin_s to end_s, counted from now."""
        self._count += 1
        request, key, chain = (self._path(f"{self._count}.{end}") for end in ("csr", "key", "pem"))
        self._openssl("req", "-new", *self._new_key(key), "-subj", "/CN=intake", "-out", request)
        self._sign(request, chain, begin_s, end_s, names=names)
        return Certificate(chain, key, self.ca)

    def close(self):
        shutil.rmtree(self._dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _path(self, name):
        return os.path.join(self._dir, name)

    def _new_key(self, name):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self._path(name)

    def _sign(self, request, out, begin_s, end_s, *options, names=()):
        self._openssl("ca", "-batch", "-notext", "-config", self._path("config"), "-in", request, "-out", out,
                      "-startdate", _asn1_time(begin_s), "-enddate", _asn1_time(end_s), *options, names=names)

    def _openssl(self, *args, names=()):
        done = subprocess.run(["openssl", *args], env={**os.environ, "LEAF_NAMES": ",".join(names)}, text=True,
                              capture_output=True)
        if done.returncode:
            raise RuntimeError(f"openssl {args[0]}: {done.stderr}")


def _asn1_time(offset_s):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + offset_s))
