# SPDX-License-Identifier: MIT
"""What logboom costs where little or nothing happens: a minute of silence, and minutes at 5 and 100 lines/s.

Wake-ups are context switches, voluntary or not, summed over the threads: each one that left the CPU had been woken.
Idle looks at two agents at once, each with a client whose app is silent: one that never had a line, and one that
delivered one over TLS and keeps its connection. Trickle feeds two agents at once over TLS, each through a relay that
counts TCP payload both ways; a line is delivered beforehand, so that the handshake can be told apart, and the flush
at the end brings in what a body still waited for. CPU is the scheduler's, of agent and client. The control is `cat`
that reads the same lines from a pipe: what it costs here to be woken for each and do nothing.
"""

import contextlib
import subprocess
import time

from rig import Rig, Row, corpus_size, cpu_s, say, wakeups

MINUTE_S = 60
SETTLE_S = 3  # what a start or a delivery leaves to be done is over by then
RATES = (5, 100)


class Sample:
    """What an agent and its client had used up at one moment."""

    def __init__(self, agent, client):
        self.agent_wakeups, self.client_wakeups = wakeups(agent.pid), wakeups(client.pid)
        self.cpu_ms = (cpu_s(agent.pid) + cpu_s(client.pid)) * 1000


@contextlib.contextmanager
def silent_rig(build, deliver):
    """An agent over TLS with a client whose app says nothing; deliver: but one line, and that is with the intake."""
    with Rig(build, tls=True, wire=True) as rig:
        rig.start_intake()
        rig.write_ini()
        rig.start_agent()
        rig.silent_client = rig.idle_pipe()
        if deliver:
            rig.silent_client.stdin.write(b"one line\n")
            rig.silent_client.stdin.flush()
            rig.flush()
        yield rig


def idle(options):
    say(f"idle: {MINUTE_S} s")
    with silent_rig(options.build, False) as fresh, silent_rig(options.build, True) as warm:
        time.sleep(SETTLE_S)
        rigs = {"never a line": fresh, "one delivered over TLS": warm}
        before = {name: Sample(rig.agent, rig.silent_client) for name, rig in rigs.items()}
        time.sleep(MINUTE_S)
        rows = []
        for name, rig in rigs.items():
            after = Sample(rig.agent, rig.silent_client)
            rows.append(Row(f"agent, {name}", str(after.agent_wakeups - before[name].agent_wakeups), "one run", "<= 1",
                            f"{after.cpu_ms - before[name].cpu_ms:.2f} ms CPU with its client"))
            rows.append(Row(f"client, {name}", str(after.client_wakeups - before[name].client_wakeups), "one run",
                            "<= 1"))
    return "wake-ups in a minute of silence", rows


class Trickle:
    """One agent that is fed slowly."""

    def __init__(self, rig, rate):
        self.rig, self.rate = rig, rate
        self.handshake = rig.relay.both()
        self.bodies = rig.status()["sinks"][0]["delivered_bodies"]
        self.before = Sample(rig.agent, rig.silent_client)
        lines = ["--lines", str(rate * MINUTE_S)]
        self.raw = corpus_size(rig.build, *lines)[1]
        rig.spawn([rig.support / "corpus", *lines, "--rate", str(rate)], stdout=rig.silent_client.stdin)

    def rows(self):
        after = Sample(self.rig.agent, self.rig.silent_client)
        self.rig.flush()
        wire = self.rig.relay.both() - self.handshake
        bodies = self.rig.status()["sinks"][0]["delivered_bodies"] - self.bodies
        switches = after.agent_wakeups - self.before.agent_wakeups
        aim = "<= 140" if self.rate == 100 else ""
        return [Row(f"wire/raw, {self.rate} lines/s", f"{wire / self.raw:.4f}", "one run", "",
                    f"{self.raw} raw bytes, {bodies} bodies; {(wire + self.handshake) / self.raw:.4f} with the first "
                    f"line's {self.handshake} bytes of handshake"),
                Row(f"CPU ms/min, {self.rate} lines/s", f"{after.cpu_ms - self.before.cpu_ms:.1f}", "one run", aim,
                    f"agent's wake-ups a second {switches / MINUTE_S:.1f}, "
                    f"client's in the minute {after.client_wakeups - self.before.client_wakeups}")]


def trickle(options):
    say(f"trickle: {MINUTE_S} s")
    with silent_rig(options.build, True) as slow, silent_rig(options.build, True) as fast:
        time.sleep(SETTLE_S)
        cat, start_ms = control(fast, RATES[-1])
        trickles = [Trickle(rig, rate) for rig, rate in zip((slow, fast), RATES)]
        time.sleep(MINUTE_S)
        control_ms = cpu_s(cat.pid) * 1000 - start_ms
        rows = [row for one in trickles for row in one.rows()]
        rows.append(Row(f"CPU ms/min, {RATES[-1]} lines/s, control: cat", f"{control_ms:.1f}", "one run"))
        return "a minute at a trickle, zstd over TLS, default settings", rows


def control(rig, rate):
    """A `cat` that is fed like an agent, and the CPU ms that its start took."""
    cat = rig.spawn(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    corpus = [rig.support / "corpus", "--rate", str(rate), "--lines", str(rate * (MINUTE_S + SETTLE_S))]
    rig.spawn(corpus, stdout=cat.stdin)
    time.sleep(SETTLE_S)
    return cat, cpu_s(cat.pid) * 1000
