# SPDX-License-Identifier: MIT
"""How soon after its start the agent takes lines: from the spawn of logboomd on an empty runtime directory.

Two who wait for it. A client that tries to connect all the time, which shows what the agent needs: until its socket
accepts, until it reads the pipe, and until the line that was waiting in there is taken (the pipe is empty). And
`logboom pipe`, which looks at intervals of its own: what an app at boot sees.
"""

import array
import fcntl
import os
import socket
import struct
import subprocess
import termios
import time

from rig import Rig, row_of, say, wait_for

# common/proto.h
MAGIC, VERSION = 0x314D4F42, 1
HELLO, WELCOME, PIPE, READING = 1, 2, 6, 7
HEAD = struct.Struct("=IHHII")
HELLO_REST = struct.Struct("=QIHHII")
SERVICE = b"bench"
LIMIT_S = 10
RUNS, QUICK_RUNS = 11, 5


def packet(kind, body=b""):
    return HEAD.pack(MAGIC, VERSION, kind, HEAD.size + len(body), 0) + body


def waiting_bytes(fd):
    return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0]


def connected(path):
    """A connection, as soon as anybody listens."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.connect(str(path))
            return sock
        except OSError:
            sock.close()
            time.sleep(0.0002)
    raise SystemExit(f"bench: nobody listens at {path}")


def expect(sock, kind):
    got = HEAD.unpack(sock.recv(4096)[:HEAD.size])[2]
    if got != kind:
        raise SystemExit(f"bench: the agent answered {got}, not {kind}")


def until_empty(fd):
    end = time.monotonic() + LIMIT_S
    while waiting_bytes(fd):
        if time.monotonic() > end:
            raise SystemExit("bench: the agent does not read the pipe")
        time.sleep(0.0002)


def eager(build):
    """Milliseconds until the socket accepts, the pipe is read, the line is taken."""
    read_end, write_end = os.pipe()
    os.write(write_end, b"the first line\n")
    with Rig(build) as rig:
        rig.write_ini()
        start_s = time.monotonic()
        rig.spawn_agent()
        with connected(rig.runtime / "intake.sock") as sock:
            sock.settimeout(LIMIT_S)
            accepted_s = time.monotonic()
            sock.send(packet(HELLO, HELLO_REST.pack(1, 0, len(SERVICE), 0, 0, 0) + SERVICE))
            expect(sock, WELCOME)
            sock.sendmsg([packet(PIPE)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [read_end]))])
            expect(sock, READING)
            reading_s = time.monotonic()
            until_empty(write_end)
            taken_s = time.monotonic()
            os.close(read_end)
            os.close(write_end)
            wait_for(lambda: rig.is_ready() and rig.status()["books"]["all"]["in"]["lines"] == 1, LIMIT_S,
                     "the first line is in the books")
    return [(at - start_s) * 1000 for at in (accepted_s, reading_s, taken_s)]


def patient(build):
    """Milliseconds until the line that waits in a `logboom pipe` is taken."""
    with Rig(build) as rig:
        rig.write_ini()
        read_end, write_end = os.pipe()
        os.write(write_end, b"the first line\n")
        rig.spawn([build / "logboom", "pipe", "-s", "bench"], stdin=read_end, stderr=subprocess.DEVNULL)
        time.sleep(1)  # long enough for it to have settled into its waiting
        start_s = time.monotonic()
        rig.spawn_agent()
        until_empty(write_end)
        taken_s = time.monotonic()
        os.close(read_end)
        os.close(write_end)
        wait_for(lambda: rig.is_ready() and rig.status()["books"]["all"]["in"]["lines"] == 1, LIMIT_S,
                 "the client's line is in the books")
    return (taken_s - start_s) * 1000


def startup(options):
    turns = QUICK_RUNS if options.quick else RUNS
    say(f"startup: {turns} times")
    eager_runs = [eager(options.build) for _ in range(turns)]
    accepted, reading, taken = zip(*eager_runs)
    return f"start to first line, ms; {turns} runs", [
        row_of("until intake.sock accepts", accepted),
        row_of("until the pipe is read", reading),
        row_of("until the first line is taken", taken, aim="<= 20"),
        row_of("the same through a waiting logboom pipe", [patient(options.build) for _ in range(turns)])]
