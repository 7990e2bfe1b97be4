# SPDX-License-Identifier: MIT
"""logboom explain: what each line would become, and why, without an agent."""

import json
import os
import pty
import subprocess

import pytest

from conftest import BUILD, ini_text

LOG = b"""INFO:app:ready
ERROR:app:failed
Traceback (most recent call last):
  File "/opt/app.py", line 3, in read
    x()
KeyError: 'v'

WARNING:app:odd
"""


@pytest.fixture
def ini(tmp_path):
    path = tmp_path / "logboom.ini"
    path.write_text(ini_text({"sink out": {"type": "file", "path": "/dev/null"},
                              "service quiet": {"multiline": "off"}}))
    return path


def explain(*args, log=LOG):
    return subprocess.run([BUILD / "logboom", "explain", *args], input=log, capture_output=True, timeout=60)


def records(*args, log=LOG):
    answer = explain("--json", *args, log=log)
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_each_record_tells_its_lines_its_level_and_why(ini):
    ready, failed, blank, odd = records("-c", ini)
    assert (ready["first"], ready["last"], ready["status"], ready["verdict"]) == (1, 1, "info", "queue")
    assert (failed["first"], failed["last"], failed["lines"], failed["joined"]) == (2, 6, 5, "traceback")
    assert failed["error"]["kind"] == "KeyError" and failed["error"]["message"] == "'v'" and failed["new"]
    assert (blank["verdict"], blank["reason"], blank["first"]) == ("drop", "blank", 7)
    assert odd["first"] == 8 and odd["rule"] not in ("", "none")
    assert records("-c", ini, log=b"plain\n")[0]["rule"] == "none"


def test_what_comes_again_would_be_counted(ini):
    found = [r for r in records("-c", ini, log=LOG * 3) if r["lines"] == 5]
    assert [r["verdict"] for r in found] == ["queue", "repeat", "repeat"]
    assert len({r["error"]["fingerprint"] for r in found}) == 1


def test_a_service_has_its_own_settings(ini):
    assert [r["lines"] for r in records("-c", ini, "-s", "quiet")] == [1] * 8


def test_for_people_it_is_a_paragraph_a_record(ini):
    answer = explain("-c", ini, "-s", "app")
    text = answer.stdout.decode()
    assert answer.returncode == 0 and "\x1b" not in text
    assert "2-6: error" in text and "5 lines joined: traceback" in text and "service app" in text
    assert "error KeyError, fingerprint " in text and "7: blank, dropped" in text


def test_on_a_terminal_levels_have_colours_and_the_log_can_do_nothing_to_it(ini):
    leader, follower = pty.openpty()
    subprocess.run([BUILD / "logboom", "explain", "-c", ini], input=b"ERROR:a:\x1b]0;evil\x07 \x07\n", stdout=follower,
                   env={k: v for k, v in os.environ.items() if k != "NO_COLOR"}, timeout=60, check=True)
    os.close(follower)
    shown = os.read(leader, 65536)
    os.close(leader)
    assert b"\x1b[31merror\x1b[0m" in shown and b"\x07" not in shown and b"\\x07" in shown


def test_wrong_usage_and_a_faulty_configuration_end_with_2(ini, tmp_path):
    assert explain("--nonsense").returncode == 2
    assert explain("-s", "a b").returncode == 2
    assert explain("extra").returncode == 2
    bad = tmp_path / "bad.ini"
    bad.write_text("[capture]\nmultiline = sometimes\n")
    answer = explain("-c", bad)
    assert answer.returncode == 2 and b"bad.ini:2:" in answer.stderr


def test_a_long_line_is_cut_and_any_bytes_do_no_harm(ini):
    found = records("-c", ini, log=b"x" * 200_000 + b"\n\xff\xfe\x00\n")
    assert [r["cut"] for r in found] == [True] * 4 + [False]
    assert sum(len(r["message"]) for r in found[:4]) == 200_000
