#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a card is written to for a megabyte of log: `make wear`, about four minutes; ARGS="--seconds 20".

    wear.py BUILD [--seconds 60] [--rate 100]

The same lines, at the same rate, through logboom and through what else is used, one after the other, each on an ext4
of its own (noatime, 4 KiB blocks, a loop device on a file on this machine's disk). Counted are the sectors that the
disk says, from before the writer starts until it has ended and all is synced; by the bytes of the lines. Figures of
a short run hold what a start costs: journals of the file system are committed every five seconds. What is not
installed is not measured, and said so.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from loopdisk import LoopDisk  # noqa: E402
from rig import UNTHROTTLED, Rig, say  # noqa: E402

SPOOLED_RATE = 4000  # so that RAM is full soon

HANDLER = """
import logging, os, sys, time
handler = logging.FileHandler(sys.argv[1])
if sys.argv[4] == "fsync":
    plain = handler.emit
    def emit(record):
        plain(record)
        os.fsync(handler.stream.fileno())
    handler.emit = emit
logging.getLogger().addHandler(handler)
begin = time.monotonic()
for n in range(int(sys.argv[2]) * int(sys.argv[3])):
    logging.warning("read sensor %d of 12 in %d ms, %d values kept, the pump runs at %d turns a minute #n=%07d",
                    n % 12, n * 7 % 90 + 10, n % 17, n * 13 % 1000, n)
    time.sleep(max(0, begin + (n + 1) / int(sys.argv[2]) - time.monotonic()))
"""

def python_handler(card, options, how):
    subprocess.run([sys.executable, "-c", HANDLER, card.path / "app.log", str(options.rate), str(options.seconds), how],
                   check=True)
    return (card.path / "app.log").stat().st_size


def rsyslog(card, options):
    work = Path(tempfile.mkdtemp(prefix="logboom-wear-", dir="/dev/shm"))
    (work / "conf").write_text(f'module(load="imuxsock" SysSock.Use="off")\ninput(type="imuxsock" Socket="{work}/sock")\n'
                               f'action(type="omfile" file="{card.path}/syslog")\n')
    daemon = subprocess.Popen(["rsyslogd", "-n", "-f", work / "conf", "-i", work / "pid"], stderr=subprocess.DEVNULL)
    try:
        while not (work / "sock").exists():
            time.sleep(0.05)
        import socket
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(str(work / "sock"))
            begin = time.monotonic()
            for n in range(options.rate * options.seconds):
                sock.send(f"<14>app: read sensor {n % 12} of 12 in {n * 7 % 90 + 10} ms, {n % 17} values kept, the pump "
                          f"runs at {n * 13 % 1000} turns a minute #n={n:07d}".encode())
                time.sleep(max(0, begin + (n + 1) / options.rate - time.monotonic()))
    finally:
        daemon.terminate()
        daemon.wait()
        shutil.rmtree(work)
    return (card.path / "syslog").stat().st_size


# Journald in a mount namespace of its own: its /run is empty but for what says that it may write to /var/log/journal,
# which is the card.
JOURNALD = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log "$1/$(cat /etc/machine-id)"
mount --bind "$1" /var/log/journal
touch /run/systemd/journal/flushed
"$2" &
journald=$!
until [ -S /run/systemd/journal/stdout ]; do sleep 0.1; done
"$3" -c "$4" /dev/stdout "$5" "$6" plain | systemd-cat -t app
kill "$journald"
wait "$journald" || true
"""


def journald(card, options, program):
    made = not Path("/var/log/journal").exists()
    Path("/var/log/journal").mkdir(exist_ok=True)
    try:
        subprocess.run(["unshare", "--mount", "--propagation", "private", "bash", "-c", JOURNALD, "journald", card.path,
                        program, sys.executable, HANDLER, str(options.rate), str(options.seconds)], check=True)
    finally:
        if made:
            Path("/var/log/journal").rmdir()
    lines = subprocess.run(["journalctl", "--directory", card.path, "--output", "cat", "--identifier", "app"], check=True,
                           stdout=subprocess.PIPE).stdout
    assert lines.count(b"\n") == options.rate * options.seconds, "the journal on the card has all of them"
    return len(lines)


def logboom(card, options, is_away, **sections):
    with Rig(options.build) as rig:
        rig.start_intake([{"do": "status", "code": 503, "times": -1}] if is_away else [])
        rig.write_ini(capture={"max_stall": "10s"}, **{**UNTHROTTLED, **sections})
        agent = rig.start_agent()
        client = subprocess.run([options.build / "logboom", "run", "-s", "app", "--", sys.executable, "-c", HANDLER,
                                 "/dev/stdout", str(options.rate), str(options.seconds), "plain"], env=rig.env)
        assert client.returncode == 0
        told = rig.status()
        rig.end(agent)
        return told["books"]["all"]["in"]["bytes"] + told["books"]["all"]["in"]["lines"]


def measure(name, write, options):
    say(name)
    with LoopDisk(192) as card:
        before = card.settled()
        raw = write(card)
        device = card.settled() - before
    print(f"  {name:58} {device / raw:9.3f}  {device / 1e6:9.2f} MB for {raw / 1e6:.2f} MB of lines", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=lambda path: Path(path).resolve())
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=100)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("wear: needs root, for loop devices")
    spooled = {"ring": {"size": "256K"}, "backlog": {"size": "256K", "segment": "64K"}}

    def spool(card, **keys):
        return {**spooled, "spool": {"path": card.path / "spool.db", "wear_budget": "1G/day", "free_floor": "1%", **keys}}

    print(f"bytes on the card for a byte of log, {options.rate} lines/s for {options.seconds} s")
    measure("logboom, the sink takes them", lambda card: logboom(card, options, False, spool={
        "path": card.path / "spool.db"}), options)
    measure("logboom, the sink is away, RAM as by default", lambda card: logboom(card, options, True, spool={
        "path": card.path / "spool.db"}), options)
    fast = argparse.Namespace(**{**vars(options), "rate": SPOOLED_RATE})
    measure(f"logboom, away, 512K of RAM, {SPOOLED_RATE} lines/s, the rest spooled", lambda card: logboom(
        card, fast, True, **spool(card, routine="yes", persist="off")), options)
    measure("Python FileHandler", lambda card: python_handler(card, options, "plain"), options)
    measure("Python FileHandler, fsync each line", lambda card: python_handler(card, options, "fsync"), options)
    if shutil.which("rsyslogd"):
        measure("rsyslog to a file", lambda card: rsyslog(card, options), options)
    else:
        print("  rsyslog to a file: not measured, it is not installed")
    program = next((path for path in ("/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald")
                    if os.access(path, os.X_OK)), None)
    if program:
        measure("journald, persistent", lambda card: journald(card, options, program), options)
    else:
        print("  journald, persistent: not measured, it is not installed")


if __name__ == "__main__":
    main()
