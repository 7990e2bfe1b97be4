# SPDX-License-Identifier: MIT
"""A wall clock that a test moves under a running program (fakeclock.c).

    clock = FakeClock(tmp / "clock")
    agent(sections, env=clock.env)
    clock.set(synced=False)
    clock.step(-3600)

Offsets are from the machine's own clocks, so 0 is the truth. One FakeClock may serve many processes.
"""

import ctypes
import mmap
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(os.environ.get("LB_BUILD", ROOT / "build")).resolve() / "tests" / "support" / "fakeclock.so"
NS_PER_S = 1_000_000_000


class FakeClock:
    """Begins with the true time, not synchronised."""

    def __init__(self, path):
        assert LIBRARY.exists(), f"{LIBRARY} is not built (make support)"
        Path(path).write_bytes(bytes(24))
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 24)
        # Stored as whole numbers: a reader sees the old one or the new one, never half of each.
        self._wall_ns, self._boot_ns, self._synced = (ctypes.c_int64.from_buffer(self._map, at) for at in (0, 8, 16))
        # Under AddressSanitizer: that its library is not the first one is meant.
        asan = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
        self.env = {"LD_PRELOAD": str(LIBRARY), "LB_FAKECLOCK": str(path), "ASAN_OPTIONS": asan}

    def set(self, wall_offset_s=None, boot_offset_s=None, synced=None):
        """What is not given stays. boot_offset_s is the time slept in suspend: it shifts both clocks."""
        if wall_offset_s is not None:
            self._wall_ns.value = round(wall_offset_s * NS_PER_S)
        if boot_offset_s is not None:
            self._boot_ns.value = round(boot_offset_s * NS_PER_S)
        if synced is not None:
            self._synced.value = int(synced)

    def step(self, seconds):
        """Set the wall clock forward, or back. Whether it is called synchronised stays."""
        self._wall_ns.value += round(seconds * NS_PER_S)
