# SPDX-License-Identifier: MIT
"""Who wears the card, on a machine that systemd runs.

The story: the package is installed as it is. It sees disks, and says what it may not see. Then the engineer puts the
drop-in there, and it names the service that writes.
"""

import json

import pytest

from conftest import BUILD
from image import Image

INI = """[agent]
hostname = box
[wear]
sample = 1s
[spool]
enabled = no
[sink here]
type = file
path = /var/lib/logboom/delivered
"""

HAMMER = """[Service]
User=nobody
StateDirectory=hammer
ExecStart=/usr/bin/python3 -c "import os,time\\nwith open('/var/lib/hammer/data','wb') as f:\\n while True: f.write(os.urandom(1<<18)); f.flush(); os.fsync(f.fileno()); f.seek(0); time.sleep(0.1)"
"""

LOOK = """
until logboom status >/dev/null; do sleep 0.1; done
systemctl start hammer.service
for i in $(seq 60); do
    logboom wear --json >/opt/wear.json
    logboom status --json >/opt/status.json
    if grep -q '"unit":"hammer.service"' /opt/wear.json; then break; fi
    [ "$1" = full ] || [ "$i" -lt 8 ] || break
    sleep 1
done
logboom wear
systemctl --no-block poweroff
"""


@pytest.fixture(scope="module")
def image():
    with Image(BUILD) as made:
        made.write("/etc/logboom/logboom.ini", INI)
        made.write("/etc/systemd/system/hammer.service", HAMMER)
        made.run("chmod", "1777", "/opt")
        yield made


def told(image, name):
    return json.loads(image.read(f"/opt/{name}.json"))


def test_the_plain_unit_sees_disks_and_says_what_it_may_not_see(image):
    shown = image.boot("set -- plain\n" + LOOK)
    wear = told(image, "status")["wear"]
    assert wear["state"] == "on" and wear["disks"] > 0
    assert wear["processes"]["refused"] > 0 and "wear-full.conf" in wear["missing"]
    assert not any(p["unit"] == "hammer.service" for d in told(image, "wear")["disks"] for p in d["programs"])
    assert wear["missing"] in shown


def test_the_drop_in_lets_it_name_the_service_that_writes(image):
    drop_in = image.read("/usr/share/logboom/wear-full.conf")
    image.write("/etc/systemd/system/logboomd.service.d/wear-full.conf", drop_in)
    image.boot("set -- full\n" + LOOK)
    assert told(image, "status")["wear"]["processes"]["refused"] == 0
    blamed = [p for d in told(image, "wear")["disks"] for p in d["programs"] if p["unit"] == "hammer.service"]
    assert blamed and blamed[0]["name"] == "python3" and blamed[0]["bytes"] > 1 << 20
