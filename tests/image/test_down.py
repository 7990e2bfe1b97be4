# SPDX-License-Identifier: MIT
"""A machine that is switched off in good order, by its own systemd.

The story: the sink is away. A service has logged, and RAM is about to be lost, because the system goes down. A restart
of the agent, or an upgrade, is no such thing.
"""

import json

import pytest

from conftest import BUILD
from image import Image
from lines import is_own

AWAY = """[sink away]
type = datadog
url = http://127.0.0.1:9/
"""

HERE = """[sink here]
type = file
path = /opt/delivered
"""

LINES = """
until logboom status >/dev/null; do sleep 0.1; done
logboom run -s app -- python3 -c '
for n in range(500):
    print("ERROR:app:line" if n % 50 == 0 else "INFO:app:line", n)'
until logboom status --json | grep -q '"pending":{"lines":500'; do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def image():
    with Image(BUILD) as made:
        made.write("/etc/logboom/api_key", "k" * 32, 0o600)
        made.write("/etc/logboom/conf.d/site.ini", AWAY)
        made.write("/etc/logboom/logboom.ini", "[agent]\nhostname = box\n[throttle]\nrate = off\npattern_rate = off\n"
                   "[spool]\nfree_floor = off\n")
        yield made


def test_a_restart_writes_nothing_to_the_card_and_going_down_does(image):
    told = image.boot(LINES + """
        systemctl restart logboomd
        until logboom status --json | grep -q '"pending":{"lines":500'; do sleep 0.1; done
        echo "after a restart: $(ls /var/lib/logboom)"
        systemctl --no-block poweroff""")
    assert "after a restart: \n" in told, told
    assert (image.path / "var/lib/logboom/spool.db").stat().st_size > 4096


def test_what_was_spooled_then_is_delivered_after_the_boot(image):
    image.write("/etc/logboom/conf.d/site.ini", HERE)
    image.write("/etc/systemd/system/logboomd.service.d/opt.conf", "[Service]\nReadWritePaths=/opt\n")
    image.run("chmod", "1777", "/opt")
    image.boot("""
        until logboom status >/dev/null; do sleep 0.1; done
        until [ "$(grep -c '"service":"app"' /opt/delivered)" -ge 500 ]; do sleep 0.1; done
        logboom flush -w 20
        systemctl --no-block poweroff""")
    entries = [json.loads(line) for line in image.read("/opt/delivered").splitlines()]
    got = sorted(int(entry["message"].split()[-1]) for entry in entries if not is_own(entry))
    assert got == list(range(500))
