# SPDX-License-Identifier: MIT
"""What logboom takes in RAM and on the card: private and shared pages, and the programs' sizes.

From /proc/PID/smaps, without the mappings of files in the runtime directory: staging, ring and state are told by
their own keys. PSS gives each of n processes that map a page one n-th of it, so it depends on who else uses OpenSSL
or libcurl (here: the intake, and whatever runs beside). "Were only libc shared" takes all pages of every other
library for our own: what PSS comes to where nobody else uses them, whatever runs beside. Read with an idle client
attached: before the first connection, after one line was delivered over TLS, and after a firehose. Needs root, for
the agent does not let its own user look into it.
"""

import os
import subprocess

from rig import Rig, Row, row_of, say

FIREHOSE = "50M"
MIB = 1024
SHARED_BY_ALL = ("/libc.so", "/ld-linux")


def pages_kb(pid, runtime):
    """Of a process in KiB, without what it maps below the runtime directory: private dirty, PSS, PSS alone."""
    dirty = pss = alone = 0
    is_ours = is_shared = False
    with open(f"/proc/{pid}/smaps") as smaps:
        for line in smaps:
            key, _, rest = line.partition(" ")
            if not key.endswith(":"):
                is_ours = str(runtime) + "/" in line
                is_shared = any(name in line for name in SHARED_BY_ALL)
            elif is_ours:
                continue
            elif key == "Private_Dirty:":
                dirty += int(rest.split()[0])
            elif key == "Pss:":
                pss += int(rest.split()[0])
                alone += int(rest.split()[0]) if is_shared else 0
            elif key == "Rss:":
                alone += 0 if is_shared else int(rest.split()[0])
    return dirty, pss, alone


def one_run(build):
    """Name of a moment -> what pages_kb() says."""
    os.sync()  # pages of a program that was just built are dirty until they are written, and would count as its own
    with Rig(build, tls=True) as rig:
        rig.start_intake()
        rig.write_ini(capture={"overload": "wait"})
        agent = rig.start_agent()
        client = rig.idle_pipe()
        found = {"idle before": pages_kb(agent.pid, rig.runtime)}
        client.stdin.write(b"one line\n")
        client.stdin.flush()
        rig.flush()
        found["TLS up"] = pages_kb(agent.pid, rig.runtime)
        found["client"] = pages_kb(client.pid, rig.runtime)
        rig.feed("--bytes", FIREHOSE)
        rig.flush()
        found["after firehose"] = pages_kb(agent.pid, rig.runtime)
        return found


def sizes(build):
    rows = []
    for name, aim in (("logboomd", "<= 300"), ("logboom", "<= 60")):
        with Rig(build) as rig:
            subprocess.run(["strip", "-o", rig.directory / name, build / name], check=True)
            rows.append(Row(f"{name} stripped, KB", f"{(rig.directory / name).stat().st_size / 1000:.1f}", aim=aim))
    return rows


def memory(options):
    title = "memory, without the files in the runtime directory"
    if os.geteuid() != 0:
        return title, [Row("MiB", "not measured", remark="needs root"), *sizes(options.build)]
    runs = []
    for turn in range(options.runs):
        say(f"memory {turn + 1}/{options.runs}")
        runs.append(one_run(options.build))
    rows = []
    for name, moment, which, aim in (
            ("private dirty MiB, idle before the first connection", "idle before", 0, ""),
            ("private dirty MiB, TLS up", "TLS up", 0, "<= 3"),
            (f"private dirty MiB, after {FIREHOSE} over TLS", "after firehose", 0, "<= 3"),
            ("PSS MiB, idle before the first connection", "idle before", 1, "<= 5"),
            ("PSS MiB, TLS up", "TLS up", 1, "<= 8"),
            (f"PSS MiB, after {FIREHOSE} over TLS", "after firehose", 1, "<= 8"),
            ("PSS MiB, idle before, were only libc shared", "idle before", 2, "<= 5"),
            ("PSS MiB, TLS up, were only libc shared", "TLS up", 2, "<= 8"),
            ("private dirty MiB, client", "client", 0, "<= 0.3"),
            ("PSS MiB, client", "client", 1, "")):
        rows.append(row_of(name, [run[moment][which] / MIB for run in runs], "{:.2f}", aim))
    return title, rows + sizes(options.build)
