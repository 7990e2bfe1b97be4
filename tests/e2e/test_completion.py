# SPDX-License-Identifier: MIT
"""Completion in bash: the function is called as bash calls it, and what it offers is compared."""

import subprocess

import pytest

from conftest import BUILD, ROOT, wait_until

SCRIPT = ROOT / "packaging" / "completion" / "logboom"
CALL = """
set -u
source "$1"
program=$2
shift 2
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
_logboom "$program" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(*words, env=None, cwd=ROOT):
    """What is offered where the last of these words is being typed behind "logboom"."""
    done = subprocess.run(["bash", "--norc", "-c", CALL, "bash", SCRIPT, BUILD / "logboom", "logboom", *words], env=env,
                          cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return [word for word in done.stdout.split("\n") if word]


def help_of(*command):
    return subprocess.run([BUILD / "logboom", *command, "--help"], capture_output=True, text=True, timeout=60,
                          check=True).stdout


def test_commands_are_those_that_the_program_lists():
    told = [line.split()[0] for line in help_of().splitlines() if line.startswith("  ") and line[2] != "l"]
    assert offered("") == [*told, "--help", "-V"] and "status" in told
    assert offered("st") == ["status"] and offered("no such") == []


@pytest.mark.parametrize("command", ["pipe", "run", "tail", "status", "top", "wear", "flush", "explain", "plan"])
def test_options_are_those_that_the_command_tells(command):
    told = [line.split()[0] for line in help_of(command).splitlines() if line.startswith("  -")]
    assert offered(command, "-") == [*told, "--help"] and len(told) > 0


def test_options_are_offered_by_what_is_typed():
    assert offered("tail", "--h") == ["--held", "--help"]
    assert offered("tail", "-f", "--js") == ["--json"]
    assert offered("top", "--sort", "l") == ["lines/s", "lost"]
    assert offered("tail", "-p", "e") == ["emergency", "error"]
    assert offered("pipe", "-T", "-") == []


def test_files_are_offered_where_files_are_meant(tmp_path):
    (tmp_path / "new.ini").write_text("")
    (tmp_path / "new dir").mkdir()
    for words in (("check",), ("explain", "-c"), ("plan", "--against"), ("wear", "--report")):
        assert sorted(offered(*words, "new", cwd=tmp_path)) == ["new dir", "new.ini"]
    assert offered("status", "new", cwd=tmp_path) == [] and offered("check", "a", "new", cwd=tmp_path) == []


def test_a_command_that_is_run_and_its_files(tmp_path):
    (tmp_path / "sensors.py").write_text("")
    assert "python3" in offered("run", "-s", "web", "--", "pyth")
    assert "python3" in offered("run", "pyth")
    assert offered("run", "-T", "k", "=", "v", "python3", "sen", cwd=tmp_path) == ["sensors.py"]
    assert offered("run", "--", "python3", "sen", cwd=tmp_path) == ["sensors.py"]
    assert offered("run", "--he") == ["--help"]


def test_services_and_the_sink_are_those_of_the_agent(agent, sink):
    one = agent(sink)
    for service in ("web", "web@2"):
        done = one.client("pipe", "-s", service, input="a line\n")
        assert done.returncode == 0
    wait_until(lambda: {"web", "web@2"} <= set(one.status()["books"]["services"]))
    assert {"web", "web@2"} == set(offered("tail", "-s", "w", env=one.env))
    assert offered("flush", "--context", "-s", "web@", env=one.env) == ["web@2"]
    assert offered("ping", "", env=one.env) == ["datadog"]


def test_without_an_agent_nothing_is_offered_and_nothing_said(tmp_path):
    env = {"LOGBOOM_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    assert offered("tail", "-s", "", env=env) == [] and offered("ping", "", env=env) == []
