# SPDX-License-Identifier: MIT
"""The examples that come with logboom, and the client of one piece in a place that has nothing else.

The story: somebody copies an example and expects it to work as it stands.
"""

import json
import os
import re
import subprocess

import pytest

from conftest import BUILD, ROOT, wait_until
from lines import book, is_own

EXAMPLES = ROOT / "conf" / "examples"
ROUTING = EXAMPLES / "routing.ini"  # its sinks stand beside each other
STATIC = BUILD / "logboom-static"


@pytest.fixture
def bare(tmp_path, runtime):
    """A root with the client in it, and the agent's directory, and nothing else."""
    root = tmp_path / "root"
    (root / "run/logboom").mkdir(parents=True)
    (root / "proc").mkdir()
    (root / "bin").mkdir()
    (root / "bin/logboom").write_bytes(STATIC.read_bytes())
    (root / "bin/logboom").chmod(0o755)
    return root


def in_bare(root, runtime, *command):
    script = ('mount --bind "$1" "$2/run/logboom" && mount -t proc proc "$2/proc" && root=$2 && shift 2 && '
              'exec chroot "$root" "$@"')
    return subprocess.run(["unshare", "--mount", "--pid", "--fork", "--propagation", "private", "sh", "-c", script, "sh",
                           str(runtime), str(root), *command], capture_output=True, text=True, timeout=60)


def test_the_static_client_needs_nothing_and_is_process_1(agent, quick, intake, bare, runtime):
    a = agent(quick)
    done = in_bare(bare, runtime, "/bin/logboom", "run", "-s", "shop", "--", "/bin/logboom", "--help")
    assert done.returncode == 0 and done.stderr == "" and done.stdout == "", done
    wait_until(lambda: book(a)["delivered"] > 5)
    told = [e["message"] for e in intake.everything() if e["service"] == "shop" and not is_own(e)]
    assert told[0].startswith("usage: logboom")
    done = in_bare(bare, runtime, "/bin/logboom", "status")
    assert done.returncode == 0 and "shop" in done.stdout


def test_the_static_client_is_of_one_piece():
    assert not re.search(r"\(NEEDED\)|INTERP", subprocess.run(["readelf", "-dl", STATIC], capture_output=True,
                                                              text=True, check=True).stdout)


def configurations():
    """(name, text) of each sink in the examples: a file has one, and more that are commented out."""
    for path in sorted(set(EXAMPLES.glob("*.ini")) - {ROUTING}):
        for block in re.split(r"^(?=#?\[sink )", path.read_text(), flags=re.M)[1:]:
            text = re.sub(r"^#(?=\[sink |\[remote\]|\w+ = )", "", block, flags=re.M)
            yield re.match(r"\[sink (\w+)\]", text)[1], text


def check(tmp_path, text):
    """logboomd -t on a text, with files in tmp_path for those that it names."""
    key = tmp_path / "key"
    key.write_text("user:secret\n")
    key.chmod(0o600)
    ca = tmp_path / "ca"
    ca.write_text("")
    text = re.sub(r"^(api_key_file) = .*", rf"\1 = {key}", re.sub(r"^(tls_ca) = .*", rf"\1 = {ca}", text, flags=re.M),
                  flags=re.M)
    path = tmp_path / "logboom.ini"
    path.write_text(text)
    return subprocess.run([BUILD / "logboomd", "-t", "-c", path], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name, text", configurations(), ids=[name for name, _ in configurations()])
def test_each_example_of_a_sink_loads(tmp_path, name, text):
    done = check(tmp_path, text)
    assert (done.returncode, done.stderr) == (0, ""), text


def test_an_example_may_stand_beside_the_sink_that_is_there(tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "sink.ini").write_text((EXAMPLES / "syslog.ini").read_text())
    done = check(tmp_path, (ROOT / "conf" / "logboom.ini").read_text())
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^memory of \[sink site\]: ", done.stdout, re.M)


def test_the_example_of_several_sinks_loads_and_tells_what_each_takes(tmp_path):
    done = check(tmp_path, ROUTING.read_text())
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^memory of \[sink (\w+)\]: [0-9.]+ MiB$", done.stdout, re.M) == ["house", "oncall"]
    assert re.search(r"^  further sinks +[0-9.]+ MiB$", done.stdout, re.M)
    with_key = re.sub(r"^#(?=\w+ = )", "", ROUTING.read_text(), flags=re.M)
    done = check(tmp_path, with_key)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_one_that_takes_all_the_others_share_the_lines(tmp_path):
    text = re.sub(r"^\[sink datadog\]\n(?:\w+ = .*\n)*", "", ROUTING.read_text(), flags=re.M)
    done = check(tmp_path, text)
    assert (done.returncode, done.stderr) == (0, "")


def test_there_is_an_example_of_each_sink():
    assert {"loki", "otlp", "elasticsearch", "splunk", "vector", "axiom", "betterstack", "newrelic", "site", "fleet", "aws"} <= {n for n, _ in configurations()}


def test_dockers_settings_name_our_socket():
    settings = json.loads((EXAMPLES / "docker-daemon.json").read_text())
    assert settings["log-driver"] == "syslog"
    assert settings["log-opts"]["syslog-address"] == "unixgram:///run/logboom/syslog.sock"
    compose = (EXAMPLES / "compose.yaml").read_text()
    for name in "syslog-address", "syslog-format":
        assert f"{name}: {settings['log-opts'][name]}" in compose


def test_what_dockers_driver_sends_is_understood(agent, quick, intake):
    """Its rfc5424micro, as of Docker 20 to 28: version 1, microseconds, the tag as app-name."""
    a = agent(quick)
    sock = f"{a.env['LOGBOOM_RUNTIME_DIR']}/syslog.sock"
    line = "<30>1 2026-11-27T10:00:00.123456Z box shop 4242 shop - ERROR the till does not open"
    subprocess.run(["/usr/bin/python3", "-c", "import socket,sys; s=socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
                    "s.connect(sys.argv[1]); s.send(sys.argv[2].encode())", sock, line], check=True)
    told = wait_until(lambda: [e for e in intake.everything() if e["service"] == "shop"])[0]
    assert told["message"].endswith("the till does not open") and told["syslog"]["procid"] == "4242"


def test_the_drop_in_is_one_that_systemd_takes(tmp_path):
    unit = tmp_path / "shop.service"
    drop_in = tmp_path / "shop.service.d"
    drop_in.mkdir()
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    (drop_in / "logboom.conf").write_text((EXAMPLES / "wrap-service.conf").read_text().replace(
        "/usr/bin/logboom", "/bin/echo"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True,
                          env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"})
    assert done.returncode == 0, done.stderr


