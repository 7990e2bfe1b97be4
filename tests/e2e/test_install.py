# SPDX-License-Identifier: MIT
"""make install and make uninstall: what is put there, that it is taken away again, and that the manual tells of it."""

import fcntl
import math
import os
import re
import subprocess

import pytest

from conftest import BUILD, ROOT, ini_text

# Made by the agent in its directories, by its user, or by whoever sets the device up: not by an installation.
MADE_LATER = ("/run/", "/var/lib/logboom/", "/etc/logboom/api_key", "/etc/logboom/protect.manifest",
              "/dev/shm/", "/etc/machine-id", "/proc/", "/sys/")


# What `make check` hands on to whom it runs: where this one installs to is this test's choice.
OURS = {"MAKEFLAGS", "MAKELEVEL", "B", "DESTDIR", "PREFIX", "SYSCONFDIR", "UNITDIR"}


def make(target, destdir, **settings):
    """Run make as a packager would. What is built is there: nothing is compiled, and nothing asked of the network."""
    made = subprocess.run(["make", "--no-print-directory", "-o", "all", target, f"B={BUILD}", f"DESTDIR={destdir}",
                           *(f"{key}={value}" for key, value in settings.items())], cwd=ROOT, capture_output=True,
                          text=True, timeout=300, env={k: v for k, v in os.environ.items() if k not in OURS},
                          check=False)
    assert made.returncode == 0, made.stderr


def tree(top):
    """{path below top: mode} of all files, and of directories that are empty."""
    found = {}
    for where, folders, files in os.walk(top):
        for name in files + [one for one in folders if not os.listdir(os.path.join(where, one))]:
            path = os.path.join(where, name)
            found["/" + os.path.relpath(path, top)] = f"{os.stat(path).st_mode & 0o777:o}"
    return found


@pytest.fixture
def bill_is_told():
    """What `make sbom` makes, newer than the programs; whether it is right is the subject of test_sbom.py. There is one
    for all tests that run beside each other: one of them has it at a time."""
    path = BUILD / "logboom.cdx.json"
    with open(BUILD / "logboom.cdx.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        had = path.read_bytes() if path.exists() else None
        path.write_text("{}\n")
        yield
        path.unlink() if had is None else path.write_bytes(had)


def test_what_is_installed_is_removed_but_the_configuration(tmp_path, bill_is_told):
    make("install", tmp_path, PREFIX="/usr")
    there = tree(tmp_path)
    pages = [f"/usr/share/man/man{page.suffix[1:]}/{page.name}" for page in (ROOT / "packaging" / "man").iterdir()]
    assert there == {
        **{path: "644" for path in pages},
        "/etc/logboom/conf.d": "755",
        "/etc/logboom/logboom.ini": "644",
        "/usr/bin/logboom": "755",
        "/usr/sbin/logboomd": "755",
        "/usr/lib/logboom/python/sitecustomize.py": "644",
        "/usr/lib/systemd/system/logboom-syslog.socket": "644",
        "/usr/lib/systemd/system/logboomd.service": "644",
        "/usr/lib/sysusers.d/logboom.conf": "644",
        "/usr/share/bash-completion/completions/logboom": "644",
        "/usr/share/doc/logboom/logboom.cdx.json": "644",
        **{f"/usr/share/doc/logboom/examples/{path.name}": "644" for path in (ROOT / "conf" / "examples").iterdir()},
        "/usr/share/logboom/journald-forward.conf": "644",
        "/usr/share/logboom/wear-full.conf": "644",
    }
    make("uninstall", tmp_path, PREFIX="/usr")
    left = tree(tmp_path)
    assert left.pop("/etc/logboom/logboom.ini") == "644" and left.pop("/etc/logboom/conf.d") == "755"
    assert [path for path in left if (tmp_path / path[1:]).is_file() or "logboom" in path] == []


def test_an_existing_configuration_stays_and_what_others_put_there(tmp_path):
    ini = tmp_path / "etc/logboom/logboom.ini"
    ini.parent.mkdir(parents=True)
    ini.write_text("[sink mine]\n")
    theirs = tmp_path / "usr/share/bash-completion/completions/other"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("")
    make("install", tmp_path, PREFIX="/usr")
    make("install", tmp_path, PREFIX="/usr")
    make("uninstall", tmp_path, PREFIX="/usr")
    assert ini.read_text() == "[sink mine]\n" and theirs.exists()


def test_units_name_the_places_that_were_chosen(tmp_path):
    make("install", tmp_path, PREFIX="/opt/boom", SYSCONFDIR="/opt/etc", UNITDIR="/units")
    unit = (tmp_path / "units/logboomd.service").read_text()
    assert "ExecStart=/opt/boom/sbin/logboomd -c /opt/etc/logboom/logboom.ini\n" in unit
    assert "/usr/sbin" not in unit and (tmp_path / "opt/boom/share/man/man8/logboomd.8").exists()
    make("uninstall", tmp_path, PREFIX="/opt/boom", SYSCONFDIR="/opt/etc", UNITDIR="/units")
    assert [path for path in tree(tmp_path) if (tmp_path / path[1:]).is_file()] == ["/opt/etc/logboom/logboom.ini"]


def test_the_unit_lets_it_lock_as_much_as_it_states():
    told = subprocess.run([BUILD / "logboomd", "-t", "-c", ROOT / "conf" / "logboom.ini"], capture_output=True, text=True,
                          check=True).stdout
    ceiling = float(re.search(r"^memory ceiling: ([0-9.]+) MiB$", told, re.M)[1])
    unit = (ROOT / "packaging" / "systemd" / "logboomd.service").read_text()
    assert re.findall(r"^LimitMEMLOCK=(.*)$", unit, re.M) == [f"{math.ceil(ceiling)}M"]


def test_what_is_installed_runs_from_where_it_is(tmp_path):
    make("install", tmp_path, PREFIX="/usr")
    ini = tmp_path / "some.ini"
    ini.write_text(ini_text({"agent": {"hostname": "h"}, "sink out": {"type": "file", "path": "/dev/null"}}))
    # sbin is not beside bin: the client finds the daemon by PATH.
    env = {**os.environ, "PATH": f"{tmp_path}/usr/sbin:{os.environ['PATH']}"}
    done = subprocess.run([tmp_path / "usr/bin/logboom", "check", ini], env=env, capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0 and done.stdout.startswith(f"{ini}: ok\n")


def test_the_file_of_a_bill_that_is_older_than_the_programs_is_not_installed(tmp_path, bill_is_told):
    os.utime(BUILD / "logboom.cdx.json", (1, 1))
    make("install", tmp_path, PREFIX="/usr")
    assert not (tmp_path / "usr/share/doc/logboom/logboom.cdx.json").exists()


def files_of(page):
    """Each path under FILES of a page."""
    part = re.split(r"^\.Sh ", page.read_text(), flags=re.M)
    text = next(one for one in part if one.startswith("FILES"))
    for line in re.findall(r"^\.(?:It )?Pa (.*)$", text, re.M):
        yield from (word for word in line.split() if word.startswith("/"))


@pytest.mark.parametrize("page", sorted((ROOT / "packaging" / "man").iterdir()), ids=lambda page: page.name)
def test_what_a_page_names_under_files_is_there(tmp_path, page):
    make("install", tmp_path, PREFIX="/usr")
    named = list(files_of(page))
    assert named
    for path in named:
        if path.startswith(MADE_LATER) or path == "/lib/systemd/system":  # where the package has its units
            continue
        if path.startswith("/etc/systemd/system/"):  # where an administrator puts a drop-in
            continue
        assert (tmp_path / path[1:]).exists(), path


def test_what_is_named_in_the_agents_directory_is_made_by_it(agent, sink):
    """Names below /run/logboom, and what the sources call them."""
    one = agent(sink)
    there = set(os.listdir(one.runtime))
    named = {path for page in (ROOT / "packaging" / "man").iterdir() for path in files_of(page)
             if path.startswith("/run/logboom/")}
    assert len(named) > 8
    for path in sorted(named):
        name = os.path.basename(path)
        assert name in there or name == "*.damaged", path


def test_the_package_says_where_its_units_are():
    rules = (ROOT / "packaging" / "debian" / "rules").read_text()
    assert "UNITDIR=/lib/systemd/system" in rules and "dh_auto_build -- all sbom" in rules
