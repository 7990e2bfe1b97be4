# SPDX-License-Identifier: MIT
"""A machine of our making: /proc and /sys as files, for an agent with kill points (LOGBOOM_WEAR_ROOT)."""

from pathlib import Path


class Board:
    """A Raspberry Pi with one SD card, mmcblk0, and one file system on it."""

    DEV, SYS = "179:0", "sys/devices/platform/mmc/mmcblk0"

    def __init__(self, root):
        self.root = Path(root)
        self.write(f"{self.SYS}/dev", self.DEV)
        self.write(f"{self.SYS}/size", 62333952)
        self.write(f"{self.SYS}/queue/rotational", 0)
        for name, value in {"type": "SD", "name": "SC32G", "manfid": "0x000003", "date": "08/2021",
                            "preferred_erase_size": 4194304}.items():
            self.write(f"{self.SYS}/device/{name}", value)
        self.written(0)
        self.write(f"{self.SYS}/mmcblk0p2/partition", 2)
        self.write(f"{self.SYS}/mmcblk0p2/dev", "179:2")
        self.link("sys/block/mmcblk0", self.SYS)
        self.link("sys/class/block/mmcblk0", self.SYS)
        self.link("sys/class/block/mmcblk0p2", f"{self.SYS}/mmcblk0p2")
        self.link("sys/dev/block/179:0", self.SYS)
        self.link("sys/dev/block/179:2", f"{self.SYS}/mmcblk0p2")
        self.mounted("rw")
        self.process(1, "systemd", 0)

    def write(self, path, text):
        where = self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(f"{text}\n")
        return where

    def link(self, path, to):
        where = self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.symlink_to(self.root / to)

    def written(self, size):
        """So many bytes went to the card since the machine started."""
        self.write(f"{self.SYS}/stat", f"1 0 8 0 {size // 4096} 0 {size // 512} 0 0 0 0 0 0 0 0 7 0")

    def mounted(self, options, errors=0):
        self.write("proc/self/mountinfo", f"20 1 179:2 / / {options},noatime shared:1 - ext4 /dev/root {options}")
        self.write("sys/fs/ext4/mmcblk0p2/lifetime_write_kbytes", 1000)
        self.write("sys/fs/ext4/mmcblk0p2/errors_count", errors)

    def process(self, pid, name, written, unit="", parent=1):
        """A process, with so many bytes dirtied, and a file on the card open for writing."""
        self.write(f"proc/{pid}/stat", f"{pid} ({name}) S {parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {100 + pid} 0 0")
        self.write(f"proc/{pid}/comm", name)
        self.write(f"proc/{pid}/cgroup", f"0::/system.slice/{unit}" if unit else "0::/")
        self.write(f"proc/{pid}/io", "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\n"
                   f"write_bytes: {written}\ncancelled_write_bytes: 0")
        self.write(f"proc/{pid}/fdinfo/3", "pos:\t0\nflags:\t0100001\nmnt_id:\t20")
        self.write(f"proc/{pid}/mountinfo", "20 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw")
