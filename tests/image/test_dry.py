# SPDX-License-Identifier: MIT
"""A machine that logs all day and whose card stays dry.

The story: logboom is there, and `logboom protect --apply` has quieted the journal. A service prints a hundred lines a
second; the card, here two of them, below the journal and below logboom's own directory, is written to by nobody. Then
the power goes, with a sink that is away, and what the spool had acknowledged is delivered after the next boot.
"""

import json
import re
from pathlib import Path

import pytest

from conftest import BUILD
from image import Image
from lines import is_own
from loopdisk import LoopDisk

INI = """[agent]
hostname = box
[throttle]
rate = off
pattern_rate = off
collapse = off
[sink here]
type = file
path = /run/logboom/delivered
"""

AWAY = """[agent]
hostname = box
[spool]
free_floor = off
persist = error
persist_after = 1s
persist_interval = off
[sink away]
type = datadog
url = http://127.0.0.1:9/
"""

LOUD = """
until logboom status >/dev/null; do sleep 0.1; done
# A service as it is without logboom: what it prints is the journal's.
python3 -u -c 'import sys, time
for n in range(int(sys.argv[1]) * 100): print("read another", n); time.sleep(0.01)' "$SECONDS_LONG" |
    systemd-cat -t other &
logboom run -s app -- python3 -u -c '
import sys, time
begin = time.monotonic()
for n in range(int(sys.argv[1]) * 100):
    print("read sensor", n % 12, "in", n % 90 + 10, "ms")
    time.sleep(max(0, begin + (n + 1) / 100 - time.monotonic()))' "$SECONDS_LONG"
wait
logboom flush -w 20
grep -c '"service":"app"' /run/logboom/delivered
"""


@pytest.fixture
def cards():
    """The card below logboom's directory, and the one below the journal."""
    with LoopDisk(64) as state, LoopDisk(64) as journal:
        yield state, journal


@pytest.fixture
def image():
    with Image(BUILD) as made:
        made.write("/etc/logboom/logboom.ini", INI)
        yield made


def bound(cards):
    state, journal = cards
    return [f"--bind={state.path}:/var/lib/logboom", f"--bind={journal.path}:/var/log/journal"]


# What has been written to both, by the machine's own eyes: from the boot on, tmpfiles and all, is not the question.
COUNT = """
written() {
    sync -f /var/lib/logboom /var/log/journal
    for card in CARDS; do awk '{ printf "%.0f ", $7 * 512 }' "/sys/block/$card/stat"; done
}
sleep 2
before=$(written)
"""


@pytest.mark.parametrize("seconds", [20, pytest.param(300, marks=pytest.mark.long)])
def test_a_hundred_lines_a_second_write_nothing_to_the_card(image, cards, seconds):
    count = COUNT.replace("CARDS", " ".join(Path(card.device).name for card in cards))
    loud = f"SECONDS_LONG={seconds}\n{count}{LOUD}\necho \"written: $before-> $(written)\"\n"

    def boot(more):
        told = image.boot(f"{loud}{more}\nsystemctl --no-block poweroff", options=bound(cards), seconds=seconds + 120)
        found = re.search(r"written: (\d+) (\d+) -> (\d+) (\d+)", told)
        assert found, told
        state, journal = int(found[3]) - int(found[1]), int(found[4]) - int(found[2])
        return state, journal, told

    state, journal, told = boot("logboom protect --flash --apply")
    assert state == 0 and journal > 100_000, "nobody has quieted the journal yet"
    assert "60-logboom-protect" in told
    state, journal, told = boot("journalctl -n 1 >/dev/null")
    assert (state, journal) == (0, 0), told
    assert int(re.search(r"^(\d+)$", told, re.M)[1]) >= seconds * 100
    image.run("logboom", "protect", "--undo")
    assert not list(image.path.glob("etc/systemd/**/*logboom-protect*"))


def test_what_the_spool_has_acknowledged_outlives_a_power_cut(image, cards):
    image.write("/etc/logboom/logboom.ini", AWAY)
    image.write("/etc/logboom/api_key", "k" * 32, 0o600)
    image.boot("""
        until logboom status >/dev/null; do sleep 0.1; done
        logboom run -s app -- /bin/sh -c 'for n in $(seq 30); do echo "ERROR:app:line $n"; done'
        until logboom status --json | grep -q '"copied_rows":[1-9]'; do sleep 0.2; done
        touch /opt/cut
        sleep 60""", options=bound(cards), cut="/opt/cut")
    image.write("/etc/logboom/logboom.ini", INI)
    image.boot("""
        until logboom status >/dev/null; do sleep 0.1; done
        logboom flush -w 30
        until [ "$(grep -c '"service":"app"' /run/logboom/delivered)" -ge 30 ]; do sleep 0.2; done
        cp /run/logboom/delivered /opt/delivered
        systemctl --no-block poweroff""", options=bound(cards))
    entries = [json.loads(line) for line in image.read("/opt/delivered").splitlines()]
    got = [int(e["message"].split()[-1]) for e in entries if e["service"] == "app" and not is_own(e)]
    assert sorted(set(got)) == list(range(1, 31))
