# SPDX-License-Identifier: MIT
"""A network namespace without a network, and the means to give it one."""

import subprocess

UNSHARE = ["unshare", "-n"]  # a command under which another one has only `lo`, and that is down


def reason_not_to():
    """Why this machine or user cannot do it; None where it can."""
    probe = "ip link set lo up && ip link add v0 type veth peer name v1"
    done = subprocess.run([*UNSHARE, "/bin/sh", "-c", probe], capture_output=True, text=True)
    return done.stderr.strip() or "unshare failed" if done.returncode else None


def inside(pid, *command):
    """The command that runs this one in the network of that process."""
    return ["nsenter", "-t", str(pid), "-n", "--", *map(str, command)]


def ip(pid, text):
    """`ip TEXT` in the network of that process."""
    subprocess.run(inside(pid, "ip", *text.split()), check=True, timeout=60)
