# SPDX-License-Identifier: MIT
"""rsyslog and syslog-ng as receivers: RFC 5424 by TCP, TLS or a unix socket, taken apart by parsers of their own."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")


class Syslogd:
    """with Rsyslog("tls", authority.issue()) as server: ... server.address ... server.entries()"""

    KINDS = ()
    WORDS = {"unix": "unix", "dgram": "unix-dgram"}

    def __init__(self, kind="tcp", certificate=None, clients=False):
        """clients: they must show a certificate that the same authority vouches for"""
        self.kind = kind
        self._certificate, self._clients = certificate, clients
        self.dir = Path(tempfile.mkdtemp(prefix="logboom-syslogd-", dir="/dev/shm"))
        self.port = None
        self._process = None

    @property
    def address(self):
        return f"{self.WORDS[self.kind]}:{self.dir}/sock" if self.is_unix else f"{self.kind}://127.0.0.1:{self.port}"

    @property
    def is_unix(self):
        return self.kind in self.WORDS

    def up(self):
        for _ in range(5):  # somebody else may take the free port before it does
            if not self.is_unix and self.port is None:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", 0))
                    self.port = probe.getsockname()[1]
            (self.dir / "conf").write_text(self._config())
            with open(self.dir / "log", "ab") as log:
                self._process = subprocess.Popen(self._command(), env=self._env(), stdin=subprocess.DEVNULL,
                                                 stdout=subprocess.DEVNULL, stderr=log)
            if self._answers():
                return self
            self.down()
            self.port = None
        raise RuntimeError((self.dir / "log").read_text())

    def _env(self):
        return None

    def _answers(self):
        end = time.monotonic() + 10
        form = socket.SOCK_DGRAM if self.kind == "dgram" else socket.SOCK_STREAM
        while self._process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX if self.is_unix else socket.AF_INET, form) as sock:
                sock.connect(f"{self.dir}/sock" if self.is_unix else ("127.0.0.1", self.port))
                return True
            time.sleep(0.02)
        return False

    def down(self, with_signal=signal.SIGTERM):
        """Stop it: SIGTERM writes what it has read; SIGSTOP and SIGCONT only make it wait."""
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
            if with_signal not in (signal.SIGSTOP, signal.SIGCONT):
                self._process.wait(20)
            if with_signal == signal.SIGKILL:
                self._cut_off_half_a_line()

    def _cut_off_half_a_line(self):
        """What it was writing: the next one would go on behind it."""
        with open(self.dir / "out", "r+b") as out:
            out.truncate(out.read().rfind(b"\n") + 1)

    def __enter__(self):
        return self.up()

    def __exit__(self, *exc):
        self.down(signal.SIGCONT)
        self.down()
        shutil.rmtree(self.dir, ignore_errors=True)

    def messages(self):
        """What it made of each message, by its own names; half a line, still being written, is not there yet."""
        path = self.dir / "out"
        text = path.read_text(errors="surrogateescape") if path.exists() else ""
        return [json.loads(line) for line in text.split("\n")[:-1] if line]

    def everything(self):
        """The same as entries of our own file sink."""
        return [self._entry_of(message) for message in self.messages()]

    def entries(self):
        return [entry for entry in self.everything() if entry["logboom"].get("kind") not in ("start", "exit")]


class Rsyslog(Syslogd):
    """An installed one."""

    KINDS = ("tcp", "tls", "unix", "dgram")
    CONFIG = """
global(workDirectory="{dir}" maxMessageSize="1m" parser.escapeControlCharactersOnReceive="off" {tls_global})
module(load="{module}" {of_module})
input(type="{module}" {where})
template(name="all" type="list") {{ property(name="jsonmesg") constant(value="\\n") }}
action(type="omfile" file="{dir}/out" template="all" asyncWriting="off" flushOnTXEnd="on")
"""

    @staticmethod
    def program():
        return shutil.which("rsyslogd", path="/usr/sbin:/usr/bin")

    def _command(self):
        return [self.program(), "-n", "-f", self.dir / "conf", "-i", self.dir / "pid"]

    def _config(self):
        words = {"dir": self.dir, "tls_global": "", "of_module": "", "module": "imtcp",
                 "where": f'port="{self.port}" address="127.0.0.1"'}
        if self.kind == "unix":
            words.update(module="imptcp", where=f'path="{self.dir}/sock" unlink="on"')
        if self.kind == "dgram":
            words.update(module="imuxsock", of_module='sysSock.use="off"',
                         where=f'socket="{self.dir}/sock" useSpecialParser="off" parseHostname="on"')
        if self.kind == "tls":
            one = self._certificate
            words["tls_global"] = (f'defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{one.ca}" '
                                   f'defaultNetstreamDriverCertFile="{one.chain}" defaultNetstreamDriverKeyFile="{one.key}"')
            mode = "x509/certvalid" if self._clients else "anon"
            words["of_module"] = f'streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="{mode}"'
        return self.CONFIG.format(**words)

    @staticmethod
    def _entry_of(message):
        elements = {name: {key: re.sub(r"\\(.)", r"\1", value) for key, value in
                           re.findall(r' ([^ =\]"]+)="((?:[^"\\\]]|\\.)*)"', rest)} for name, rest in
                    re.findall(r'\[([^ \]]+)((?: [^ =\]"]+="(?:[^"\\\]]|\\.)*")*)\]', message["structured-data"])}
        return {"message": message["msg"].removeprefix(" "), "service": message["app-name"], "hostname": message["hostname"],
                "status": LEVELS[int(message["syslogseverity"])], "facility": message["syslogfacility"],
                "pid": message["procid"], "time": message["timereported"], "tags": elements.get("tags@32473", {}),
                "logboom": json.loads(elements.get("logboom@32473", {}).get("json", "{}"))}


class SyslogNg(Syslogd):
    """One that lies unpacked in the build (make apart): its package cannot be installed beside rsyslog's."""

    KINDS = ("tcp", "tls", "dgram")
    TOP = Path(os.environ.get("LB_BUILD", Path(__file__).resolve().parents[2] / "build")).resolve() / "apart"
    CONFIG = """
@version: 3.38
options {{ keep-hostname(yes); use-dns(no); dns-cache(no); log-msg-size(1048576); stats-freq(0); frac-digits(6); }};
source far {{ {source}; }};
destination out {{ file("{dir}/out" flush-lines(1) template("$(format-json message=${{MESSAGE}} host=${{HOST}} program=${{PROGRAM}}
    pid=${{PID}} pri=${{PRI}} time=${{ISODATE}} --key .SDATA.*)\\n")); }};
log {{ source(far); destination(out); flags(flow-control); }};
"""

    @classmethod
    def program(cls):
        path = cls.TOP / "usr/sbin/syslog-ng"
        return str(path) if path.exists() else None

    def _env(self):
        lib = self.TOP / "usr/lib"
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(
            map(str, [lib / "syslog-ng", *lib.glob("*-linux-*"), *(self.TOP / "lib").glob("*-linux-*")]))}

    def _command(self):
        modules, = (self.TOP / "usr/lib/syslog-ng").glob("[0-9]*")
        return [self.program(), "--foreground", "--no-caps", "--stderr", "--module-path", modules,
                "--cfgfile", self.dir / "conf", "--persist-file", self.dir / "persist",
                "--pidfile", self.dir / "pid", "--control", self.dir / "control"]

    def _config(self):
        source = f'syslog(ip(127.0.0.1) port({self.port}) transport("{self.kind}") max-connections(100)'
        if self.kind == "dgram":
            source = f'unix-dgram("{self.dir}/sock" flags(syslog-protocol)'
        if self.kind == "tls":
            one = self._certificate
            verify = "required-trusted" if self._clients else "optional-untrusted"
            source += f' tls(key-file("{one.key}") cert-file("{one.chain}") ca-file("{one.ca}") peer-verify({verify}))'
        return self.CONFIG.format(dir=self.dir, source=source + ")")

    @staticmethod
    def _entry_of(message):
        facility, severity = divmod(int(message["pri"]), 8)
        elements = message.get("_SDATA", {})
        return {"message": message.get("message", ""), "service": message["program"], "hostname": message["host"],
                "status": LEVELS[severity], "facility": str(facility), "pid": message.get("pid", "-"),
                "time": message["time"], "tags": elements.get("tags@32473", {}),
                "logboom": json.loads(elements.get("logboom@32473", {}).get("json", "{}"))}


SERVERS = {"rsyslog": Rsyslog, "syslog-ng": SyslogNg}
