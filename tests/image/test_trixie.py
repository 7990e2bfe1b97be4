# SPDX-License-Identifier: MIT
"""The package of Debian 12 on Debian 13: it is installed there, starts, and takes what a service prints."""

import json

from conftest import BUILD
from image import Image

INI = """[agent]
hostname = box
[sink here]
type = file
path = /run/logboom/delivered
"""


def test_the_package_of_bookworm_works_on_trixie():
    with Image(BUILD, suite="trixie") as image:
        image.write("/etc/logboom/logboom.ini", INI)
        told = image.boot("""
            until logboom status >/dev/null; do sleep 0.1; done
            logboom run -s app -- /bin/sh -c 'for n in $(seq 50); do echo "line $n"; done'
            logboom flush -w 20
            cp /run/logboom/delivered /opt/delivered
            logboomd -V | head -1
            systemctl --version | head -1
            systemctl --no-block poweroff""")
        entries = [json.loads(line) for line in image.read("/opt/delivered").splitlines()]
        assert [e["message"] for e in entries if e["service"] == "app" and "kind" not in e["logboom"]] == \
            [f"line {n}" for n in range(1, 51)]
        assert "systemd 257" in told
