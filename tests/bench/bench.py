#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What logboom costs on this machine, beside the floor: `make bench`.

    bench.py BUILD [--bytes 500M] [--runs 3]

Firehose: the corpus through `logboom pipe` into an intake on loopback that only counts. The floor is a plain loop
(tests/bench/floor.c: read a pipe, frame, the agent's own encoder, zstd -1 of the same bodies, no network); where it
is not built its row is missing. CPU is exact (the scheduler's nanoseconds, summed over threads), for the agent and
the client alone; the corpus and the intake run on the same machine and are not counted, so MB/s is a lower bound.
Medians of the runs.
"""

import argparse
import fcntl
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def cpu_s(pid):
    """CPU seconds that the threads of a process have had so far."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def status_kb(pid, key):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    return 0


def stats(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stats", timeout=10) as answer:
        return json.load(answer)


def wait_for(claim, seconds, what):
    end = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > end:
            sys.exit(f"bench: not within {seconds} s: {what}")
        time.sleep(0.02)


def write_ini(directory, port, compression):
    (directory / "api_key").write_text("0123456789abcdef0123456789abcdef\n")
    (directory / "logboom.ini").write_text(
        f"[agent]\nhostname = bench\nruntime_dir = {directory}/run\n\n"
        f"[capture]\noverload = wait\n\n"
        f"[sink datadog]\ntype = datadog\nurl = http://127.0.0.1:{port}/api/v2/logs\n"
        f"api_key_file = {directory}/api_key\ncompression = {compression}\n")


def firehose(build, size, compression):
    """One run through the agent; a dict of figures."""
    directory = Path(tempfile.mkdtemp(prefix="logboom-bench-", dir=BASE))
    env = {**os.environ, "LOGBOOM_RUNTIME_DIR": str(directory / "run")}
    started = []
    try:
        intake = subprocess.Popen([ROOT / "tests/support/intake.py", "--print-port", "--count-only"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        started.append(intake)
        port = int(intake.stdout.readline())
        write_ini(directory, port, compression)
        agent = subprocess.Popen([build / "logboomd", "-c", directory / "logboom.ini"], env=env,
                                 stderr=open(directory / "log", "wb"))
        started.append(agent)

        def ready():
            if agent.poll() is not None:
                sys.exit((directory / "log").read_text())
            return subprocess.run([build / "logboom", "status"], env=env, capture_output=True).returncode == 0

        wait_for(ready, 10, "logboomd is ready")
        before_s, start_s = cpu_s(agent.pid), time.monotonic()
        corpus = subprocess.Popen([build / "tests/support/corpus", "--bytes", size], stdout=subprocess.PIPE)
        started.append(corpus)
        client = subprocess.Popen([build / "logboom", "pipe", "-s", "bench"], stdin=corpus.stdout, env=env)
        started.append(client)
        corpus.stdout.close()
        _, code, usage = os.wait4(client.pid, 0)
        client.returncode = os.waitstatus_to_exitcode(code)
        flushed = subprocess.run([build / "logboom", "flush", "-w", "60s"], env=env).returncode
        wall_s, agent_s = time.monotonic() - start_s, cpu_s(agent.pid) - before_s
        got = stats(port)
        if client.returncode or flushed:
            sys.exit(f"bench: pipe ended with {client.returncode}, flush with {flushed}")
        return {"wall_s": wall_s, "cpu_s": agent_s + usage.ru_utime + usage.ru_stime, "entries": got["entries"],
                "requests": got["stored"], "body_bytes": got["raw_bytes"], "wire_bytes": got["wire_bytes"],
                "rss_kb": status_kb(agent.pid, "VmHWM")}
    finally:
        for process in reversed(started):
            if process.poll() is None:
                process.terminate()
                process.wait(30)
        shutil.rmtree(directory, ignore_errors=True)


def floor(build, size):
    """One run of the plain loop."""
    directory = Path(tempfile.mkdtemp(prefix="logboom-bench-", dir=BASE))
    try:
        write_ini(directory, 1, "zstd")
        corpus = subprocess.Popen([build / "tests/support/corpus", "--bytes", size], stdout=subprocess.PIPE)
        fcntl.fcntl(corpus.stdout, fcntl.F_SETPIPE_SZ, 256 * 1024)
        start_s = time.monotonic()
        done = subprocess.run([build / "tests/bench/floor", directory / "logboom.ini"], stdin=corpus.stdout,
                              stdout=subprocess.PIPE, text=True, check=True)
        corpus.stdout.close()
        corpus.wait()
        return {"wall_s": time.monotonic() - start_s, "rss_kb": 0, **json.loads(done.stdout)}
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def median_of(rows):
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def corpus_size(build, size):
    corpus = subprocess.Popen([build / "tests/support/corpus", "--bytes", size], stdout=subprocess.PIPE)
    lines = total = 0
    while block := corpus.stdout.read(1 << 20):
        lines += block.count(b"\n")
        total += len(block)
    corpus.wait()
    return lines, total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=lambda p: Path(p).resolve())
    parser.add_argument("--bytes", default="500M")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    lines, size = corpus_size(args.build, args.bytes)
    print(f"corpus: {size / 1e6:.0f} MB, {lines} lines, {os.cpu_count()} CPUs, {args.runs} runs\n")
    cases = {}
    if (args.build / "tests/bench/floor").exists():
        cases["floor"] = lambda: floor(args.build, args.bytes)
    for compression in ("zstd", "gzip", "none"):
        cases[f"logboom {compression}"] = lambda c=compression: firehose(args.build, args.bytes, c)
    columns = ["wall s", "MB/s", "lines/s", "CPU s/GB", "requests", "body/raw", "wire/raw", "peak RSS MB", "missing"]
    print(f"{'':<14}" + "".join(f"{c:>13}" for c in columns))
    costs, lost = {}, 0
    for name, run in cases.items():
        row = median_of([run() for _ in range(args.runs)])
        costs[name] = row["cpu_s"] / size * 1e9
        lost += lines > row["entries"]
        values = [f"{row['wall_s']:.1f}", f"{size / 1e6 / row['wall_s']:.0f}", f"{lines / row['wall_s']:.0f}",
                  f"{costs[name]:.1f}", f"{row['requests']:.0f}", f"{row['body_bytes'] / size:.3f}",
                  f"{row['wire_bytes'] / size:.3f}", f"{row['rss_kb'] / 1000:.1f}", f"{max(0, lines - row['entries']):.0f}"]
        print(f"{name:<14}" + "".join(f"{v:>13}" for v in values), flush=True)
    if "floor" in costs:
        print(f"\nlogboom zstd costs {costs['logboom zstd'] / costs['floor']:.2f} times the floor")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
