# SPDX-License-Identifier: MIT
"""A day without a sink, on a simulated clock (outage.c): what is kept, what is given up, and who is told.

The story: 100 lines a second, one in a hundred of them an error, and the link is gone for 24 hours. The newest
routine lines are kept, and all errors as long as there is room for them; what went has a receipt; when the link is
back all that is left arrives, in order, once.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from lines import is_own, lost_numbers, numbers, prove_ring, receipts  # noqa: E402

BUILD = Path(os.environ.get("LB_BUILD", ROOT / "build")).resolve()
SETTINGS = """[agent]
hostname = h
[ring]
size = {ring}
[backlog]
size = {backlog}
segment = {segment}
[sink d]
type = file
path = /nowhere
"""


def outage(tmp_path, hours, rate=100, error_every=100, ring="4M", backlog="16M", segment="128K", quiet=False):
    ini, corpus, directory = tmp_path / "o.ini", tmp_path / "corpus", tmp_path / "run"
    ini.write_text(SETTINGS.format(ring=ring, backlog=backlog, segment=segment))
    directory.mkdir()
    with corpus.open("wb") as out:
        subprocess.run([BUILD / "tests" / "support" / "corpus", "--lines", "20000", "--seed", "7"], stdout=out, check=True)
    corpus.write_bytes(re.sub(rb" ?#n=\d+", b"", corpus.read_bytes()))  # each gets a number of its own
    done = subprocess.run([BUILD / "tests" / "trace" / "outage", ini, corpus, str(hours), str(rate), str(error_every),
                           directory, *(["-q"] if quiet else [])], capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told = {one["when"]: one for one in map(json.loads, done.stderr.splitlines())}
    return told, [json.loads(line) for line in done.stdout.splitlines()]


def prove(told, entries, error_every=100):
    found = prove_ring(entries)
    got = set(numbers(found.values()))
    count, done = told["away"]["lines"], told["done"]
    assert done["delivered"] + done["shed"] == count, "each line is in the books"
    assert len(got) == done["delivered"]
    assert sum(e["logboom"]["count"] for e in receipts(entries, "shed")) == done["shed"], "each has a receipt"
    assert sum(last - first + 1 for e in receipts(entries, "shed")
               for first, last in e["logboom"]["range"].values()) == done["shed"], "and they say which"
    errors = {n for n in range(count) if n % error_every == error_every - 1}
    return got, errors, count


@pytest.fixture
def shm(tmp_path_factory):
    """A directory in RAM: the agent's files are in tmpfs."""
    import shutil
    import tempfile
    path = Path(tempfile.mkdtemp(prefix="logboom-test-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path)


def test_a_day_without_a_sink_keeps_all_errors_and_the_newest_lines(shm):
    told, entries = outage(shm, 24, backlog="4M")
    got, errors, count = prove(told, entries)
    assert told["done"]["shed"] > count / 2, "the day is longer than the backlog"
    assert errors <= got, f"{len(errors - got)} errors are missing"
    routine = sorted(got - errors)
    whole = [n for n in range(routine[0], count) if n not in errors]
    assert routine == whole, "of the others the newest, without a gap"
    assert told["away"]["file_bytes"] < 4.5 * 2**20


def test_an_outage_that_fits_gives_nothing_up(shm):
    told, entries = outage(shm, 0.75)
    got, _, count = prove(told, entries)
    assert got == set(range(count)) and told["done"]["shed"] == 0 and not lost_numbers(entries)


def test_errors_alone_may_fill_it_and_then_the_oldest_of_them_go(shm):
    told, entries = outage(shm, 2, error_every=2, backlog="1M")
    got, errors, count = prove(told, entries, 2)
    kept = sorted(got & errors)
    assert kept == [n for n in range(kept[0], count) if n in errors], "the newest, without a gap"
    assert len(got & errors) > 3 * len(got - errors), "the others went first"


@pytest.mark.parametrize("segment", ["64K", "256K"])
def test_segments_of_any_length_keep_the_promise(shm, segment):
    told, entries = outage(shm, 1, backlog="2M", segment=segment)
    got, errors, _ = prove(told, entries)
    assert errors <= got


def test_it_holds_nearly_five_times_its_size_in_text(shm):
    told, _ = outage(shm, 6, backlog="16M", quiet=True)
    assert told["away"]["held_bytes"] >= 4.8 * told["away"]["file_bytes"], told["away"]


def test_nobody_but_us_has_records_of_ours(shm):
    told, entries = outage(shm, 2, backlog="1M")
    assert told["done"]["receipts"] == len([e for e in entries if is_own(e)]) > 0
