# SPDX-License-Identifier: MIT
"""Runs a program with a socket in sd_listen_fds(3)'s place, as systemd does for a unit with a socket.

    pass_socket.py FD PROGRAM [ARG...]
"""

import os
import sys

FIRST_FD = 3

fd = int(sys.argv[1])
os.dup2(fd, FIRST_FD, inheritable=True)
if fd != FIRST_FD:
    os.close(fd)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
