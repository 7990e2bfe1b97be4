# SPDX-License-Identifier: MIT
"""Starting: where, as whom, with which key, and on what another agent left.

The story: logboomd says clearly why it cannot start, leaves nothing half made, and takes over what is there. The
API key comes from a file, a credential or the environment, and is shown nowhere.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from conftest import API_KEY, ROOT, wait_until
from lines import assert_exactly, book, end, held_pipe, lines, numbers, prove_ring, write_all

NOBODY = 65534


@pytest.fixture
def numbered(sink):
    sink["sink datadog"]["sequence"] = "all"
    return sink


@pytest.fixture
def small_tmpfs():
    """Factory: a tmpfs of its own of so many KiB. Name it before `agent`, so that it is unmounted after the agent's end."""
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    mounted = []

    def mount(kib):
        path = Path(tempfile.mkdtemp(prefix="logboom-tmpfs-"))
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=0755", "none", path], capture_output=True)
        if done.returncode != 0:
            path.rmdir()
            pytest.skip(f"cannot mount: {done.stderr.decode()}")
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["umount", path], check=True)
        path.rmdir()


def fails(agent, code):
    """Start it, expect this exit status, return what it said."""
    agent.spawn()
    assert agent.process.wait(60) == code, agent.log
    return agent.log


def test_a_second_agent_on_one_directory_is_refused_and_told_of_the_first(agent, numbered, intake):
    first = agent(numbered)
    second = agent(numbered, start=False)
    log = fails(second, 1)
    assert f"pid {first.process.pid}" in log
    first.run("/bin/echo", "#n=1", service="app")
    first.flush()
    assert numbers(intake.entries()) == [1], "the first goes on"


@pytest.mark.parametrize("kib", [64, 1024, 4500])
def test_a_full_file_system_is_a_clear_error_and_leaves_nothing(small_tmpfs, agent, numbered, kib):
    where = small_tmpfs(kib) / "run"
    a = agent({**numbered, "agent": {"runtime_dir": where}}, start=False)
    log = fails(a, 1)
    assert "no room in the file system" in log and str(where) in log
    left = {p.name for p in where.iterdir()} if where.exists() else set()
    assert left <= {"lock"}, left


def test_a_file_system_that_fits_exactly_is_enough(small_tmpfs, agent, numbered, intake):
    where = small_tmpfs(8 * 1024)
    a = agent({**numbered, "agent": {"runtime_dir": where}, "ring": {"size": "1M"}, "held": {"size": "1M"},
               "capture": {"overload": "wait"}},
              env={"LOGBOOM_RUNTIME_DIR": str(where)})
    free = os.statvfs(where).f_bavail * os.statvfs(where).f_frsize
    (where / "filler").write_bytes(bytes(free - 4096 * 2))
    client = a.pipe("-s", "app")
    client.communicate(lines(0, 30000), timeout=60)
    a.flush()
    assert_exactly(numbers(prove_ring(intake.everything()).values()), range(30000))
    assert a.process.poll() is None, "every page was there before"


def test_a_directory_that_is_not_on_tmpfs_is_warned_of(agent, numbered, intake):
    for candidate in ROOT / "build", Path("/var/tmp"), Path.home():
        if candidate.is_dir() and os.access(candidate, os.W_OK) and subprocess.run(
                ["stat", "-f", "-c", "%T", candidate], capture_output=True, text=True).stdout.strip() != "tmpfs":
            break
    else:
        pytest.skip("everything is on tmpfs here")
    where = Path(tempfile.mkdtemp(prefix="logboom-test-", dir=candidate))
    try:
        a = agent({**numbered, "agent": {"runtime_dir": where}}, env={"LOGBOOM_RUNTIME_DIR": str(where)})
        assert re.search(r"warning.*not on tmpfs", a.log)
        assert a.status()["ring"]["tmpfs"] is False
        a.run("/bin/echo", "#n=1", service="app")
        a.flush()
        assert numbers(intake.entries()) == [1]
        a.stop()
    finally:
        shutil.rmtree(where)


def test_a_ring_of_another_size_is_set_aside_drained_and_removed(agent, numbered, intake, runtime):
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    a = agent({**numbered, "ring": {"size": "2M"}})
    client = a.pipe("-s", "app")
    client.communicate(lines(0, 3000), timeout=60)
    assert a.term() == 0
    a.sections["ring"]["size"] = "512K"
    a.write_ini()
    a.start()
    assert a.status()["ring"]["set_aside"] is True and a.status()["ring"]["size"] == 512 * 1024
    client = a.pipe("-s", "app")
    client.communicate(lines(3000, 4000), timeout=60)
    a.kill9()
    a.start()
    intake.plan.set([])
    wait_until(lambda: a.status()["ring"]["set_aside"] is False, what="the old ring is drained")
    wait_until(lambda: not (runtime / "ring.old").exists(), what="and removed")
    a.flush()
    found = prove_ring(intake.everything())
    assert_exactly(numbers(found.values()), range(4000))
    assert len({ring for ring, _, _ in found}) == 2
    assert "drained and removed" in a.log


def test_staging_of_another_size_keeps_the_line_that_was_begun(agent, numbered, intake):
    a = agent(numbered)
    with held_pipe() as (read_end, write_end):
        client = a.popen("pipe", "-s", "app", stdin=read_end)
        write_all(write_end, lines(0, 2)[:40])
        wait_until(lambda: book(a)["open"] == 1)
        a.kill9()
        a.sections["capture"] = {"staging": "4M", "max_streams": "300"}
        a.write_ini()
        a.start()
        write_all(write_end, lines(0, 2)[40:])
        os.close(write_end)
        assert end(client) == 0
    a.flush()
    assert a.status()["staging"]["size"] == 4 << 20
    assert [e["message"] for e in intake.entries()] == lines(0, 2).decode().splitlines()


@pytest.mark.parametrize("name", ["ring", "staging", "state"])
def test_a_file_that_is_garbage_is_set_aside_and_not_the_end(agent, numbered, intake, runtime, name):
    a = agent(numbered)
    a.run("/bin/echo", "#n=1", service="app")
    assert a.term() == 0
    size = (runtime / name).stat().st_size
    (runtime / name).write_bytes(os.urandom(4096) + bytes(size - 4096))
    a.start()
    a.run("/bin/echo", "#n=2", service="app")
    a.flush()
    assert numbers(intake.entries()) == [1, 2]
    assert (runtime / f"{name}.damaged").exists() and "damaged" in a.log


def as_nobody(agent, numbered, top, **kwargs):
    """An agent of an ordinary user who owns the directory, not started yet."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv")
    os.chown(top, NOBODY, NOBODY)
    wrapped = top / "bin"
    wrapped.mkdir()
    a = agent(numbered, start=False, **kwargs)
    for program in "logboomd", "logboom":
        script = wrapped / program
        script.write_text(f"#!/bin/sh\nexec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups "
                          f"'{a.program.parent / program}' \"$@\"\n")
        script.chmod(0o755)
    a.program = wrapped / "logboomd"
    return a


def test_an_ordinary_user_with_a_directory_of_his_own(agent, numbered, intake, runtime):
    os.chown(numbered["sink datadog"]["api_key_file"], NOBODY, NOBODY)
    a = as_nobody(agent, numbered, runtime.parent).start()
    assert Path(f"/proc/{a.process.pid}").stat().st_uid == NOBODY or f"Uid:\t{NOBODY}" in Path(
        f"/proc/{a.process.pid}/status").read_text()
    client = a.pipe("-s", "app")
    client.communicate(lines(0, 2000), timeout=60)
    assert client.returncode == 0
    a.flush()
    assert_exactly(numbers(intake.entries()), range(2000))
    assert {e["logboom"]["uid"] for e in intake.entries()} == {NOBODY}
    ring = a.status()["ring"]
    assert ring["locked"] or ring["lock_error"], "status says whether it is locked, and why not"
    assert a.client("tail", "-n", "1").returncode == 0
    a.restart()


# --- the key


def send_one(agent, intake):
    agent.run("/bin/echo", "#n=1", service="app")
    agent.flush()
    assert numbers(intake.entries()) == [1]


def test_the_key_comes_from_a_credential(agent, numbered, intake, runtime):
    del numbered["sink datadog"]["api_key_file"]
    credentials = runtime.parent / "credentials"
    credentials.mkdir()
    (credentials / "api_key").write_text(API_KEY + "\n")
    send_one(agent(numbered, env={"CREDENTIALS_DIRECTORY": str(credentials)}), intake)


def test_a_key_that_only_root_may_read_comes_from_the_credential(agent, numbered, intake, runtime):
    """As the packaged unit has it: api_key_file is root's, the service manager hands over a copy."""
    key = Path(numbered["sink datadog"]["api_key_file"])
    key.chmod(0o600)
    credentials = runtime.parent / "credentials"
    credentials.mkdir()
    (credentials / "api_key").write_text(API_KEY + "\n")
    a = as_nobody(agent, numbered, runtime.parent, env={"CREDENTIALS_DIRECTORY": str(credentials)})
    os.chown(key, 0, 0)
    send_one(a.start(), intake)


def test_the_key_comes_from_the_environment(agent, numbered, intake):
    del numbered["sink datadog"]["api_key_file"]
    send_one(agent(numbered, env={"DD_API_KEY": API_KEY}), intake)


def test_the_file_comes_before_the_environment(agent, numbered, intake):
    send_one(agent(numbered, env={"DD_API_KEY": "another"}), intake)


@pytest.mark.parametrize("how", ["no key at all", "no such file", "an empty file"])
def test_without_a_key_it_does_not_start(agent, numbered, runtime, how):
    key = runtime.parent / "key"
    if how == "no key at all":
        del numbered["sink datadog"]["api_key_file"]
    else:
        numbered["sink datadog"]["api_key_file"] = key
        if how == "an empty file":
            key.write_text("\n")
    log = fails(agent(numbered, start=False), 2)
    assert "key" in log, "and says so"
    if how != "no key at all":
        assert str(key) in log


def test_the_key_is_shown_nowhere(agent, numbered, intake):
    a = agent({**numbered, "log": {"level": "debug"}})
    intake.api_key = "another"  # so that there is something to complain about
    a.run("/bin/echo", "#n=1", service="app")
    wait_until(lambda: intake.stats()["by_status"].get("403"), what="it was refused")
    a.hup()
    wait_until(lambda: "reloaded" in a.log)
    shown = [a.log.encode(), a.client("status", "--json").stdout.encode(), a.client("status").stdout.encode(),
             a.client("ping").stdout.encode() + a.client("ping").stderr.encode(), a.client("check", a.ini).stdout.encode(),
             Path(f"/proc/{a.process.pid}/cmdline").read_bytes(), Path(f"/proc/{a.process.pid}/environ").read_bytes()]
    shown += [path.read_bytes() for path in a.runtime.iterdir() if path.is_file()]
    assert not [text for text in shown if API_KEY.encode() in text]
    limits = Path(f"/proc/{a.process.pid}/limits").read_text()
    assert re.search(r"Max core file size\s+0\s+0", limits), "nor would it be in a core file"
