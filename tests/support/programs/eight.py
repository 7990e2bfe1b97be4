# SPDX-License-Identifier: MIT
"""Eight processes that print and log numbered lines of all lengths into the same two pipes.

    eight.py LINES
"""

import logging
import os
import sys

lines = int(sys.argv[1])
logging.basicConfig(format="%(levelname)s: %(message)s")
for worker in range(8):
    if os.fork() == 0:
        for n in range(lines):
            fill = "ab" * (n * 37 % 1900)
            print(f"out {worker} {n} {fill}|")
            logging.error("err %d %d %s|", worker, n, fill)
        sys.stdout.flush()
        os._exit(0)
for _ in range(8):
    os.wait()
