# SPDX-License-Identifier: MIT
"""The package, from an image builder's list to a machine that is switched off.

The story: logboom is on the list of packages of an image. The image boots; services log, by a drop-in and by `logboom
run`, some before there is a network. The agent is restarted, killed, and upgraded under load, and each line arrives,
once, with its own time. Then the package is purged, and the image is as it was.
"""

import json
import subprocess

import pytest

from conftest import BUILD
from image import Image, package_of

INI = """[agent]
hostname = box
[throttle]
rate = off
pattern_rate = off
collapse = off
[sink here]
type = file
path = /var/lib/logboom/delivered
"""

# A service as Debian knows them, and the drop-in of the examples that wraps it.
EARLY = """[Unit]
DefaultDependencies=no
After=logboomd.service
Before=network-pre.target
Wants=network-pre.target
[Service]
Type=oneshot
ExecStart=/usr/bin/logboom run -s early -- /bin/sh -c 'for n in $(seq 20); do echo "early line $n"; done'
[Install]
WantedBy=multi-user.target
"""

APP = """[Service]
ExecStart=/usr/bin/python3 -u /opt/app.py
"""

APP_PY = """import sys, time
n = 0
while True:
    print("app line", n, flush=True)
    n += 1
    time.sleep(0.01)
"""

WRAP = """[Service]
ExecStart=
ExecStart=/usr/bin/logboom run -s %N -- /usr/bin/python3 -u /opt/app.py
"""

LIFE = """
systemctl start app.service
sleep 3
systemctl restart logboomd
sleep 2
kill -9 $(systemctl show -P MainPID logboomd)
sleep 3
dpkg --install /opt/again.deb
sleep 3
systemctl stop app.service
logboom flush -w 30
logboom status
logboom status --json >/opt/status.json
cp /var/lib/logboom/delivered /opt/delivered
systemctl show -P NRestarts logboomd
systemctl --no-block poweroff
"""


def tree_of(path):
    """What files there are, and what is in them; but for what dpkg and systemd note of each package and boot."""
    found = subprocess.run(["find", ".", "-xdev", "-path", "./var/lib/dpkg", "-prune", "-o", "-path", "./var/log", "-prune",
                            "-o", "-path", "./var/cache", "-prune", "-o", "-printf", "%p %y %m %U %s\n"], cwd=path,
                           check=True, stdout=subprocess.PIPE, text=True).stdout
    # An account stays, as is usual: its number is not to be given to somebody else.
    passing = ("./etc/passwd", "./etc/shadow", "./etc/group", "./etc/gshadow", "./opt", "./var/lib/systemd/deb-systemd",
               "./etc/.pwd.lock")
    return {line for line in found.splitlines()
            if not line.startswith(passing) and not line.split()[1] == "d" or line.startswith("./etc/logboom")}


@pytest.fixture(scope="module")
def image():
    with Image(BUILD) as made:
        made.write("/etc/logboom/logboom.ini", INI)
        made.write("/etc/systemd/system/early.service", EARLY)
        made.write("/etc/systemd/system/app.service", APP)
        made.write("/etc/systemd/system/app.service.d/logboom.conf", WRAP)
        made.write("/opt/app.py", APP_PY)
        made.run("systemctl", "enable", "early.service")
        (made.path / "opt/again.deb").write_bytes(package_of(BUILD).read_bytes())
        yield made


def test_lines_survive_restart_kill_and_upgrade_under_load(image):
    told = image.boot(LIFE, seconds=180)
    entries = [json.loads(line) for line in image.read("/opt/delivered").splitlines()]

    def lines(service):
        return [e for e in entries if e["service"] == service and "kind" not in e.get("logboom", {})]

    app = [int(e["message"].split()[-1]) for e in lines("app")]
    assert app == list(range(len(app))) and len(app) > 500, told
    early = [e["message"] for e in lines("early")]
    assert early == [f"early line {n}" for n in range(1, 21)]
    stamps = [e["timestamp"] for e in lines("app")]
    assert stamps == sorted(stamps) and stamps[-1] - stamps[0] > 8000
    books = json.loads(image.read("/opt/status.json"))["books"]["all"]
    assert books["pending"]["lines"] == books["dropped"]["lines"] == books["shed"]["lines"] == 0
    starts = [e["logboom"] for e in entries if e.get("logboom", {}).get("kind") == "start"]
    assert [s["stop"] for s in starts].count("unclean") == 1 and len(starts) >= 4, starts


def test_the_agent_starts_before_what_logs_and_is_closed(image):
    told = image.boot("""
        systemd-analyze security --no-pager logboomd.service | tail -1
        pid=$(systemctl show -P MainPID logboomd)
        grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/$pid/status
        stat -c '%U %a' /run/logboom /var/lib/logboom /proc/$pid
        nsenter -t $pid -m touch /usr/x 2>&1 || echo "read-only"
        systemctl show -P ActiveEnterTimestampMonotonic logboomd
        systemctl show -P ActiveEnterTimestampMonotonic basic.target
        systemctl --no-block poweroff""").splitlines()
    text = "\n".join(told)
    assert "CapEff:\t0000000000000000" in text and "NoNewPrivs:\t1" in text and "Seccomp:\t2" in text
    assert "logboom 755" in text and "logboom 700" in text and "read-only" in text, text
    exposure = float(next(line for line in told if "Overall exposure" in line).split(":")[1].split()[0])
    assert exposure <= 1.5
    ours, basic = (int(line) for line in told[-2:])
    assert 0 < ours <= basic


def test_a_purge_leaves_nothing():
    with Image(BUILD) as fresh:
        package = package_of(BUILD).name
        fresh.run("dpkg", "--purge", "logboom")
        before = tree_of(fresh.path)
        fresh.run("dpkg", "--install", f"/opt/{package}")
        fresh.run("dpkg", "--install", f"/opt/{package}")  # again: its scripts do nothing twice
        fresh.write("/etc/logboom/api_key", "k" * 32, 0o600)
        fresh.write("/var/lib/logboom/spool.db", "rows")
        fresh.run("logboom", "protect", "--flash", "--apply")
        assert list(fresh.path.glob("etc/systemd/**/*logboom-protect*"))
        fresh.run("dpkg", "--purge", "logboom")
        assert tree_of(fresh.path) == before
