# SPDX-License-Identifier: MIT
"""rsyslog as the receiver: RFC 5424 by TCP, TLS or a unix stream socket, taken apart by its own parser."""

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

CONFIG = """
global(workDirectory="{dir}" maxMessageSize="1m" parser.escapeControlCharactersOnReceive="off" {tls_global})
module(load="{module}" {tls_module})
input(type="{module}" {where} {framing})
template(name="all" type="list") {{ property(name="jsonmesg") constant(value="\\n") }}
action(type="omfile" file="{dir}/out" template="all" asyncWriting="off" flushOnTXEnd="on")
"""
LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")


class Syslogd:
    """with Syslogd("tls", authority.issue()) as server: ... server.address ... server.entries()"""

    def __init__(self, kind="tcp", certificate=None, clients=False):
        """clients: they must show a certificate that the same authority vouches for"""
        self.kind = kind
        self._certificate, self._clients = certificate, clients
        self.dir = Path(tempfile.mkdtemp(prefix="logboom-syslogd-", dir="/dev/shm"))
        self.port = None
        self._process = None

    @property
    def address(self):
        return f"unix:{self.dir}/sock" if self.kind == "unix" else f"{self.kind}://127.0.0.1:{self.port}"

    def _config(self):
        words = {"dir": self.dir, "tls_global": "", "tls_module": "", "module": "imptcp" if self.kind == "unix" else "imtcp",
                 "framing": "", "where": f'path="{self.dir}/sock" unlink="on"' if self.kind == "unix" else
                 f'port="{self.port}" address="127.0.0.1"'}
        if self.kind == "tls":
            one = self._certificate
            words["tls_global"] = (f'defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{one.ca}" '
                                   f'defaultNetstreamDriverCertFile="{one.chain}" defaultNetstreamDriverKeyFile="{one.key}"')
            mode = "x509/certvalid" if self._clients else "anon"
            words["tls_module"] = f'streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="{mode}"'
        return CONFIG.format(**words)

    def up(self):
        for _ in range(5):  # somebody else may take the free port before it does
            if self.kind != "unix" and self.port is None:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", 0))
                    self.port = probe.getsockname()[1]
            (self.dir / "conf").write_text(self._config())
            self._process = subprocess.Popen(["rsyslogd", "-n", "-f", self.dir / "conf", "-i", self.dir / "pid"],
                                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                             stderr=open(self.dir / "log", "ab"))
            if self._answers():
                return self
            self.down()
            self.port = None
        raise RuntimeError((self.dir / "log").read_text())

    def _answers(self):
        end = time.monotonic() + 10
        while self._process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX if self.kind == "unix" else socket.AF_INET) as sock:
                sock.connect(f"{self.dir}/sock" if self.kind == "unix" else ("127.0.0.1", self.port))
                return True
            time.sleep(0.02)
        return False

    def down(self, with_signal=signal.SIGTERM):
        """Stop it: SIGTERM writes what it has read; SIGSTOP and SIGCONT only make it wait."""
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
            if with_signal not in (signal.SIGSTOP, signal.SIGCONT):
                self._process.wait(20)

    def __enter__(self):
        return self.up()

    def __exit__(self, *exc):
        self.down(signal.SIGCONT)
        self.down()
        shutil.rmtree(self.dir, ignore_errors=True)

    def messages(self):
        """What rsyslog made of each message, by its own names; half a line, still being written, is not there yet."""
        path = self.dir / "out"
        text = path.read_text(errors="surrogateescape") if path.exists() else ""
        return [json.loads(line) for line in text.split("\n")[:-1] if line]

    def everything(self):
        """The same as entries of our own file sink."""
        return [entry_of(message) for message in self.messages()]

    def entries(self):
        return [entry for entry in self.everything() if entry["logboom"].get("kind") not in ("start", "exit")]


def entry_of(message):
    elements = {name: dict(re.findall(r' ([^ =\]"]+)="((?:[^"\\\]]|\\.)*)"', rest)) for name, rest in
                re.findall(r'\[([^ \]]+)((?: [^ =\]"]+="(?:[^"\\\]]|\\.)*")*)\]', message["structured-data"])}
    mark = re.sub(r"\\(.)", r"\1", elements.get("logboom@32473", {}).get("json", "{}"))
    return {"message": message["msg"].removeprefix(" "), "service": message["app-name"], "hostname": message["hostname"],
            "status": LEVELS[int(message["syslogseverity"])], "logboom": json.loads(mark),
            "tags": elements.get("tags@32473", {}), "facility": message["syslogfacility"], "time": message["timereported"]}
