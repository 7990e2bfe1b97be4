# SPDX-License-Identifier: MIT
"""Bytes to the card, which is to get none.

A loop device with ext4 stands for it, and holds the configuration, the key and the working directory, home and
TMPDIR of agent and clients; the runtime directory is in RAM, and so is what the agent says on stderr (the journal's
business). Counted are the sectors written to the device, from before the agent's start until after its end and a
sync: with a healthy sink, and with one that hangs while more comes than the ring holds. Reading the configuration
must not move a time stamp, so it is mounted noatime, as images for cards do. What the kernel charges to the agent
on any disk stands beside it. Afterwards a file of one byte shows that the device counts. Needs root.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rig import BASE, Rig, Row, say, wait_for, written_bytes

CARD_BYTES = 64 * 1024 * 1024
FIREHOSE = "50M"
SECTOR_BYTES = 512
HANG = [{"do": "hang", "seconds": 3600, "times": -1}]


class Card:
    """A mounted ext4 on a loop device on a file in RAM."""

    def __init__(self):
        self.device = None
        self._undo = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            directory = Path(tempfile.mkdtemp(prefix="logboom-bench-card-", dir=BASE))
            undo.callback(shutil.rmtree, directory, ignore_errors=True)
            image, self.top = directory / "card.img", directory / "card"
            with open(image, "wb") as file:
                file.truncate(CARD_BYTES)
            run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
            self.device = run("losetup", "--find", "--show", image)
            undo.callback(run, "losetup", "--detach", self.device)
            self.top.mkdir()
            run("mount", "-o", "noatime", self.device, self.top)
            undo.callback(run, "umount", self.top)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exc):
        self._undo.close()

    def written(self):
        """Bytes that went to the device so far, with all that was on its way."""
        run("sync", "-f", self.top)
        fields = Path(f"/sys/block/{Path(self.device).name}/stat").read_text().split()
        return int(fields[6]) * SECTOR_BYTES

    def settled(self):
        """The same, when two looks agree: the file system's own start is over."""
        seen = [self.written()]

        def is_quiet():
            seen.append(self.written())
            time.sleep(0.2)
            return seen[-1] == seen[-2]

        wait_for(is_quiet, 30, "the card is quiet")
        return seen[-1]


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def one_life(options, plan, overload):
    """One start, firehose and stop: bytes to the card, bytes charged to the agent on any disk."""
    with Card() as card, Rig(options.build) as rig:  # in this order: nobody works on the card when it is unmounted
        rig.start_intake(plan)
        rig.write_ini(card.top, capture={"overload": overload})
        rig.env.update(HOME=str(card.top), TMPDIR=str(card.top))
        before = card.settled()
        agent = rig.start_agent(cwd=card.top)
        rig.feed("--bytes", FIREHOSE, cwd=card.top)
        if not plan:
            rig.flush()
        charged = written_bytes(agent.pid)
        rig.end(agent)
        to_card = card.settled() - before
        (card.top / "control").write_bytes(b"x")
        if card.settled() == before + to_card:
            sys.exit("bench: a file was written to the card and its device counts nothing")
        return to_card, charged


def card(options):
    title = f"bytes to the card: {FIREHOSE} through, start to stop"
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        return title, [Row("sink healthy", "not measured", remark="needs root and loop devices")]
    rows = []
    for name, plan, overload in (("sink healthy", [], "wait"), ("sink hanging, ring full", HANG, "shed")):
        say(f"card: {name}")
        to_card, charged = one_life(options, plan, overload)
        rows.append(Row(name, str(to_card), "one run", "0",
                        f"/proc/PID/io charges the agent with {charged} on any disk"))
    return title, rows
