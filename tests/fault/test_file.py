# SPDX-License-Identifier: MIT
"""A file as the sink: it has a size, it may be packed, and it does not lie on a card by mistake.

The story: lines are written to a file in RAM, which is put aside again and again; the agent is killed in the middle of
it; all of them are in the files, once, in order.
"""

import io
import json
import re

import pytest
import zstandard

from conftest import wait_until
from fire import feed, wait_state
from lines import assert_exactly, book, lines, numbers, prove_ring

PACKINGS = ["none", "zstd"]


def files_of(path):
    """PATH and what was put aside of it, the oldest first."""
    aside = sorted(path.parent.glob(f"{path.name}.*"), key=lambda one: -int(one.suffix[1:]))
    return [*aside, *([path] if path.exists() else [])]


def entries_of(path):
    found = []
    for one in files_of(path):
        raw = one.read_bytes()
        if raw[:4] == b"\x28\xb5\x2f\xfd":
            raw = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True).read()
        assert not raw or raw.endswith(b"\n")
        found += [json.loads(line) for line in raw.decode().split("\n") if line]
    return found


@pytest.fixture
def path(runtime):
    return runtime.parent / "lines"


@pytest.fixture
def sections(path):
    return {"sink here": {"type": "file", "path": path, "wait": "20ms", "urgent_wait": "20ms", "rotate": "64K",
                          "keep": "100", "body_bytes": "16K", "retry_min": "20ms", "retry_max": "100ms"}}


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_full_file_is_put_aside_and_each_line_is_in_one_of_them(agent, sections, path, packing):
    sections["sink here"]["compression"] = packing
    a = agent(sections)
    for batch in range(10):
        feed(a, lines(batch * 400, batch * 400 + 400, "of text " * 8))
    a.flush()
    assert_exactly(numbers(prove_ring(entries_of(path)).values()), range(4000))
    sizes = [one.stat().st_size for one in files_of(path)]
    assert all(size <= 64 << 10 for size in sizes)
    if packing == "none":
        assert len(sizes) > 10
    else:
        assert sum(sizes) < 4000 * 100 / 2
    assert all(one.stat().st_mode & 0o777 == 0o600 for one in files_of(path))


def test_only_so_many_full_files_are_kept(agent, sections, path):
    sections["sink here"]["keep"] = "2"
    a = agent(sections)
    feed(a, lines(0, 3000, "of text " * 8))
    a.flush()
    assert [one.name for one in files_of(path)] == ["lines.2", "lines.1", "lines"]
    found = numbers(entries_of(path))
    assert found == list(range(found[0], 3000))


@pytest.mark.parametrize("packing", PACKINGS)
def test_kills_amid_writing_and_putting_aside_lose_nothing(agent, sections, path, packing):
    sections["sink here"]["compression"] = packing
    a = agent(sections)
    for kill in range(6):
        feed(a, lines(kill * 500, kill * 500 + 500, "of text " * 8))
        wait_until(lambda: book(a)["delivered"] > kill * 500 + 50)
        a.kill9()
        a.start()
    a.flush()
    assert_exactly(set(numbers(prove_ring(entries_of(path)).values())), range(3000))


def test_a_directory_in_the_way_of_the_old_ones_is_said(agent, sections, path):
    sections["sink here"]["keep"] = "1"
    (path.parent / "lines.1" / "x").mkdir(parents=True)
    a = agent(sections)
    feed(a, lines(0, 2000, "of text " * 8))
    state = wait_state(a, "away")
    assert re.search("cannot put .* aside", state["last_error"]), state
    (path.parent / "lines.1" / "x").rmdir()
    (path.parent / "lines.1").rmdir()
    a.flush()
    assert book(a)["delivered"] == 2000
