# SPDX-License-Identifier: MIT
"""A card to be written to: ext4 on a loop device. Its file lies on a disk, for what lies in RAM is no place to keep
anything, and the spool knows. Needs root."""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

SECTOR_BYTES = 512


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class LoopDisk:
    """with LoopDisk(64) as disk: 64 MiB, mounted at disk.path, noatime as images for cards do."""

    def __init__(self, mebibytes, filesystem="ext4", options="noatime"):
        self.mebibytes, self.filesystem, self.options = mebibytes, filesystem, options
        self.device = self.path = None
        self._undo = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            directory = Path(tempfile.mkdtemp(prefix="logboom-card-", dir="/var/tmp"))
            undo.callback(shutil.rmtree, directory, ignore_errors=True)
            image, self.path = directory / "card.img", directory / "card"
            with open(image, "wb") as file:
                file.truncate(self.mebibytes << 20)
            run(f"mkfs.{self.filesystem}", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
            self.device = run("losetup", "--find", "--show", image)
            undo.callback(run, "losetup", "--detach", self.device)
            self.path.mkdir()
            run("mount", "-o", self.options, self.device, self.path)
            undo.callback(run, "umount", "--lazy", self.path)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exc):
        self._undo.close()

    def written(self):
        """Bytes that went to the device so far, with all that was on its way."""
        run("sync", "-f", self.path)
        fields = Path(f"/sys/block/{Path(self.device).name}/stat").read_text().split()
        return int(fields[6]) * SECTOR_BYTES

    def settled(self):
        """The same, when two looks agree: the file system's own business is over."""
        seen, end = [self.written()], time.monotonic() + 30
        while True:
            time.sleep(0.2)
            seen.append(self.written())
            if seen[-1] == seen[-2]:
                return seen[-1]
            assert time.monotonic() < end, f"the card does not come to rest: {seen[-5:]}"

    def remount(self):
        """Take it out in good order and put it in again."""
        run("umount", self.path)
        run("mount", "-o", self.options, self.device, self.path)

    def pull_out(self):
        """From now on the file system answers each write with an error (EXT4_IOC_SHUTDOWN, no flush)."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, 0x8004587D, struct.pack("I", 2))
        finally:
            os.close(fd)
