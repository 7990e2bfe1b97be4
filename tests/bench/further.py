# SPDX-License-Identifier: MIT
"""What a further sink costs: processor time a line, pages of the agent, and RAM for its queue.

The corpus goes through the real agent to sinks of type http (JSON lines, zstd) in this process that only count: one, then
with a second that takes all, one that takes what is an error, and three further ones. Private pages are those of the
agent without what it maps in the runtime directory; the queue's files are counted by the blocks they have (a backlog has
them all from the start). Processor time is as in `sinks`. Needs root for the pages.
"""

import contextlib
import os
import sys

from memory import pages_kb
from rig import ROOT, UNTHROTTLED, Rig, corpus_size, row_of, say, wait_for
from sinks import CORPUS, QUICK, cpu_s

sys.path.insert(0, str(ROOT / "tests" / "support"))

from intake import Intake  # noqa: E402
from intake_dialect import Ndjson  # noqa: E402

MIB = 1 << 20
CASES = {"one sink": [], "and one that takes all": [{}], "and one that takes errors": [{"min_level": "error"}],
         "and three that take all": [{}, {}, {}]}


def takers(running, count):
    for _ in range(count):
        speaks = Ndjson()
        speaks.take, speaks.count = lambda request: (200, ""), lambda raw: 0
        yield running.enter_context(Intake(count_only=True, dialect=speaks)).url


def queue_bytes(rig):
    return sum(os.stat(os.path.join(where, name)).st_blocks * 512
               for where, _, names in os.walk(rig.runtime / "sinks") for name in names)


def measured(options, further, corpus, size):
    """(microseconds a line, private KiB, queue bytes) of one life of the agent."""
    lines = size[0]
    with contextlib.ExitStack() as running:
        first, *others = takers(running, 1 + len(further))
        rig = running.enter_context(Rig(options.build))
        sections = {f"sink further{i}": {"type": "http", "url": url, "compression": "zstd", **keys}
                    for i, (url, keys) in enumerate(zip(others, further))}
        rig.write_ini(capture={"overload": "wait"}, throttle={**UNTHROTTLED["throttle"], "pressure": "no"},
                      sink={"type": "http", "url": first, "compression": "zstd"}, **sections)
        agent = rig.start_agent()
        before_s = cpu_s(agent.pid)
        rig.feed(*corpus)
        wait_for(lambda: rig.status()["books"]["all"]["in"]["lines"] == lines, 120, "the agent has read all of it")
        rig.flush(300)
        spent_s = cpu_s(agent.pid) - before_s
        for sink in rig.status()["sinks"][1:]:
            if not sink["filtered"] and sink["delivered"]["lines"] != lines:
                sys.exit(f"bench: {lines} lines in, {sink}")
        private, _, _ = pages_kb(agent.pid, rig.runtime)
        queue = queue_bytes(rig)
        rig.end(agent)
    return spent_s / lines * 1e6, private / 1024, queue / MIB


def further(options):
    corpus = QUICK if options.quick else CORPUS
    size, rows = corpus_size(options.build, *corpus), []
    for name, sinks in CASES.items():
        say(f"further: {name}")
        found = [measured(options, sinks, corpus, size) for _ in range(options.runs)]
        rows += [row_of(f"{name}: processor us a line", [one[0] for one in found], "{:.2f}"),
                 row_of(f"{name}: private MiB", [one[1] for one in found], "{:.2f}"),
                 row_of(f"{name}: queues in tmpfs MiB", [one[2] for one in found], "{:.2f}")]
    return "what a further sink costs", rows
