# SPDX-License-Identifier: MIT
"""`logboom top` against real agents: in a real terminal, and as text for scripts.

The story: somebody logs in to a device that is loud, looks, sorts, filters, turns the window, and leaves; the
agent comes and goes meanwhile. The terminal is as it was, whatever ended it.
"""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from conftest import BUILD, wait_until
from lines import book
from terminal import Terminal

KEYS = "q quit  s sort: "
SIZES = [(80, 24), (200, 50)]


@contextlib.contextmanager
def loud(agent, service, text, per_second=40):
    """A service that says the same over and over, until the block ends."""
    client = agent.pipe("-s", service)
    over = threading.Event()

    def speak():
        number = 0
        with contextlib.suppress(OSError):
            while not over.wait(1 / per_second):
                number += 1
                os.write(client.stdin.fileno(), text.replace("%n", str(number)).encode() + b"\n")

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    try:
        yield client
    finally:
        over.set()
        thread.join(20)
        client.stdin.close()
        client.wait(60)


@pytest.fixture
def terminal(runtime):
    """Factory: terminal(width, height, **env) -> Terminal with a shell in it that finds the agent."""
    if not Terminal.is_there():
        pytest.skip("no tmux (make deps)")
    with contextlib.ExitStack() as open_ones:
        def make(width=80, height=24, **env):
            # A terminal that goes while the leak checker has the process stopped leaves that spinning, for half an hour.
            env = {"ASAN_OPTIONS": "detect_leaks=0", "LOGBOOM_RUNTIME_DIR": runtime, "LC_ALL": "C.UTF-8",
                   "PATH": f"{BUILD}:{os.environ['PATH']}", **env}
            one = open_ones.enter_context(Terminal(runtime.parent, width, height, env))
            one.type("echo before\n")
            one.wait(lambda: one.lines[1] == "before")
            return one
        yield make


def begin(terminal, *options):
    terminal.type(" ".join(["logboom", "top", "-d", "0.5", *options]) + "\n")
    terminal.wait(lambda: terminal.lines[-1].startswith(KEYS), what="the screen is there")


def row(terminal, name):
    """The cells of a service's row behind its name; [] when it has none."""
    for line in terminal.lines:
        if re.match(rf"{re.escape(name)} +[-0-9]", line):
            return line[len(name):].split()
    return []


def is_left(terminal, code):
    """The shell is back, with what was there before, and the command ended with this code."""
    terminal.wait(lambda: terminal.flag("alternate_on") == "0", what="the other screen is left")
    terminal.type("echo code=$?\n")
    terminal.wait(lambda: f"code={code}" in terminal.lines, what=f"it ended with {code}")
    assert terminal.lines[1] == "before", terminal.text
    return terminal.flag("cursor_flag") == "1"


# --- in a terminal


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
@pytest.mark.parametrize("width,height", SIZES)
def test_the_screen_tells_who_is_loud_and_what_they_say(agent, sink, terminal, width, height, locale):
    a = agent({**sink, "capture": {"ansi": "keep"}})
    t = terminal(width, height, LC_ALL=locale)
    with loud(a, "web", "grüße 東京 \x1b[31m\x07 number %n", 60), loud(a, "db", "slow query %n", 20):
        begin(t)
        t.wait(lambda: row(t, "web")[:1] not in ([], ["-"], ["0"]) and row(t, "db")[:1] not in ([], ["-"], ["0"]),
               what="both have a rate")
        t.wait(lambda: re.search(r"\d +0 +(\d+ +)?db +slow query <num>", t.text), what="the pattern of db")
        t.wait(lambda: re.search(r"web +gr.*number <num>", t.text), what="the pattern of web")
        lines = t.lines
    assert lines[0].startswith("logboom ") and " on testhost, up " in lines[0]
    assert lines[1].startswith("sink datadog: ")
    assert lines[2].startswith("ring ")
    assert ("deliv/s" in t.text) == (width >= 100)
    assert all(len(line) <= width for line in lines)
    assert "\a" not in t.text and "\x1b" not in t.text
    said = next(line for line in lines if "number <num>" in line)
    assert ("grüße 東京" if locale == "C.UTF-8" else "gr????e ??????") in said
    assert locale == "C.UTF-8" or t.text.isascii()
    t.type("q")
    assert is_left(t, 0)


def test_keys_sort_filter_pause_and_help(agent, sink, terminal):
    a = agent(sink)
    t = terminal()
    with loud(a, "web", "web says %n", 60), loud(a, "db", "db says %n", 20):
        begin(t, "--sort", "service")
        t.wait(lambda: "*service" in t.text and row(t, "web") and row(t, "db"))
        order = [line.split()[0] for line in t.lines if re.match(r"(web|db) ", line)]
        assert order == ["db", "web"]
        t.press("Right")
        t.wait(lambda: "sort: lines/s" in t.lines[-1] and "*lines/s" in t.text)
        t.wait(lambda: [line.split()[0] for line in t.lines if re.match(r"(web|db) ", line)] == ["web", "db"])
        t.type("/WE")
        t.wait(lambda: t.lines[-1].startswith("filter: WE_") and not row(t, "db"))
        assert row(t, "web") and "web says" in t.text and "db says" not in t.text
        t.type("\n")
        t.wait(lambda: "/ filter: WE" in t.lines[-1])
        t.press("Escape")
        t.wait(lambda: row(t, "db"), what="all are there again")
        t.type("p")
        t.wait(lambda: "[paused]" in t.lines[0])
        # What was asked for before may still come; then nothing does, though lines do.
        t.wait(lambda: stands_still(a, t), what="the screen stands still")
        t.type("p")
        t.wait(lambda: "[paused]" not in t.lines[0])
        before = t.lines[0]
        t.wait(lambda: t.lines[0] != before, what="it goes on")
        t.type("h")
        t.wait(lambda: "quit" in t.lines[-1] and "order by the next" in t.text and not row(t, "web"))
        t.type("x")
        t.wait(lambda: row(t, "web"))
        t.type("q")
        assert is_left(t, 0)


def stands_still(agent, terminal):
    """While a hundred lines come, nothing changes."""
    lines, text = book(agent)["in"], terminal.text
    wait_until(lambda: book(agent)["in"] > lines + 100, 60)
    return terminal.text == text


def test_the_window_may_change_its_size(agent, sink, terminal):
    a = agent(sink)
    t = terminal(80, 24)
    with loud(a, "web", "web says %n"):
        begin(t)
        t.wait(lambda: row(t, "web") and "every 0.5 s" in t.lines[23])
        t.resize(200, 50)
        t.wait(lambda: t.lines[49].startswith(KEYS) and t.lines[49].endswith("every 0.5 s") and "deliv/s" in t.text)
        assert len([line for line in t.lines if line.startswith(KEYS)]) == 1
        assert len(t.lines[49]) == 200
        t.resize(40, 10)
        t.wait(lambda: t.lines[9].startswith(KEYS) and "deliv/s" not in t.text)
        assert all(len(line) <= 40 for line in t.lines)
        t.resize(80, 24)
        t.wait(lambda: t.lines[23].startswith(KEYS) and len(t.lines[23]) == 80 and row(t, "web"))
        t.type("q")
        assert is_left(t, 0)


def pid_of_top(terminal):
    """The shell's only child."""
    shell = terminal.flag("pane_pid")
    with open(f"/proc/{shell}/task/{shell}/children", encoding="ascii") as children:
        return int(children.read().split()[0])


@pytest.mark.parametrize("how,code", [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_the_terminal_as_it_was(agent, sink, terminal, how, code):
    agent(sink)
    t = terminal()
    t.type("logboom top; echo code=$?\n")
    t.wait(lambda: t.lines[-1].startswith(KEYS))
    os.kill(pid_of_top(t), how)
    t.wait(lambda: f"code={code}" in t.lines)
    assert t.flag("alternate_on") == "0" and t.flag("cursor_flag") == "1"
    assert t.lines[1] == "before"
    t.type("stty -a\n")  # typed text is echoed again
    t.wait(lambda: any(re.search(r"(^| )echo ", line) for line in t.lines) and any("$ stty -a" in x for x in t.lines))
    assert any(re.search(r"(^| )icanon", line) for line in t.lines)


def test_control_c_ends_it_and_control_z_stops_it(agent, sink, terminal):
    agent(sink)
    t = terminal()
    begin(t)
    t.press("C-z")
    t.wait(lambda: "Stopped" in t.text and t.flag("alternate_on") == "0")
    assert t.flag("cursor_flag") == "1"
    t.type("fg\n")
    t.wait(lambda: t.flag("alternate_on") == "1" and t.lines[-1].startswith(KEYS))
    t.press("C-c")
    t.wait(lambda: t.flag("alternate_on") == "0")
    assert is_left(t, 0)


def test_a_stop_that_nobody_asked_it_for(agent, sink, terminal):
    agent(sink)
    t = terminal()
    begin(t)
    top = pid_of_top(t)
    os.kill(top, signal.SIGSTOP)
    t.wait(lambda: "Stopped" in t.text, what="the shell has it back, on the wrong screen")
    t.type("fg\n")
    t.wait(lambda: t.lines[-1].startswith(KEYS) and "Stopped" not in t.text)
    t.type("q")
    assert is_left(t, 0)
    t.type("stty -a\n")
    t.wait(lambda: any(re.search(r"(^| )icanon", line) for line in t.lines))


def has_ended(pid):
    """Gone, or left for whoever is to bury it: what process 1 of a container does about that is not our subject."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_terminal_that_is_closed_ends_it(agent, sink, terminal):
    agent(sink)
    t = terminal()
    begin(t)
    top = pid_of_top(t)
    t.close()
    wait_until(lambda: has_ended(top), 30, "it has ended")


def test_a_locale_that_is_not_installed_and_a_terminal_that_knows_nothing(agent, sink, terminal):
    a = agent(sink)
    t = terminal()
    with loud(a, "web", "grüße %n"):
        t.type("env LC_ALL=xx_YY.UTF-8 logboom top -d 0.5\n")
        t.wait(lambda: "grüße <num>" in t.text)
        t.type("q")
        assert is_left(t, 0)
    t.type("clear; TERM=dumb logboom top -d 0.2; echo code=$?\n")
    t.wait(lambda: "code=0" in t.lines and "sink datadog" in t.text)


def test_an_agent_that_goes_away_is_waited_for(agent, sink, terminal):
    a = agent(sink)
    t = terminal()
    with loud(a, "web", "web says %n"):
        begin(t)
        t.wait(lambda: row(t, "web") and "web says" in t.text)
        a.kill9()
        t.wait(lambda: t.lines[1].startswith("NO AGENT for ") and "trying again" in t.lines[1])
        assert row(t, "web"), "what was known stays"
        a.start()
        t.wait(lambda: "NO AGENT" not in t.text and row(t, "web")[:1] not in ([], ["-"], ["0"]), 60,
               "it goes on where the agent is back")
        t.wait(lambda: re.search(r"[1-9]\S* +0 +web +web says <num>", t.text), 60, "and follows its ring")
        t.type("q")
        assert is_left(t, 0)


def test_colours_are_for_what_is_wrong_and_may_be_turned_off(agent, sink, intake, terminal):
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    a = agent(sink)
    a.run("/bin/echo", "hello", service="web")
    wait_until(lambda: a.status()["sinks"][0]["state"] == "away", 30)
    t = terminal()
    begin(t)
    t.wait(lambda: "sink datadog: away" in t.text and "503" in t.text)
    assert re.search(r"\x1b\[[0-9;]*31m", t.styled)
    t.type("q")
    assert is_left(t, 0)
    t.type("clear; NO_COLOR=1 logboom top\n")
    t.wait(lambda: "sink datadog: away" in t.text and t.lines[-1].startswith(KEYS))
    assert not re.search(r"\x1b\[[0-9;]*31m", t.styled)


def test_a_ring_that_is_faster_gives_a_sample_and_the_screen_says_so(agent, sink, feeder, terminal):
    a = agent(sink)
    t = terminal(200, 50)
    client = a.popen("run", "-s", "storm", "--", feeder, "--lines", "100000000", "--rate", "40000", "--report", "/dev/null")
    try:
        begin(t)
        t.wait(lambda: re.search(r"a sample: [0-9.e-]+ % of all was seen", t.text), 60)
        t.wait(lambda: re.search(r"^ +\d\S* +0 +\d+ +storm ", t.text, re.M), what="patterns are there all the same")
        t.type("q")
        assert is_left(t, 0)
    finally:
        client.terminate()
        client.wait(60)


# --- as text


def test_without_a_terminal_one_snapshot_and_the_code_is_0(agent, sink):
    a = agent(sink)
    with loud(a, "web", "web says %n"):
        wait_until(lambda: book(a)["in"] > 10)
        done = a.client("top", "-d", "0.5")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("logboom ") == 1 and "\x1b" not in done.stdout
        rates = re.search(r"^web +(\S+) +(\S+)", done.stdout, re.M)
        assert float(rates[1]) > 0 and rates[2] != "-"
        assert re.search(r"^ +\S+ +0 +\d+ +web +web says <num>$", done.stdout, re.M)
        assert KEYS not in done.stdout
        three = a.client("top", "-n", "3", "-d", "0.2", "--sort", "service", "--filter", "nothing")
        assert three.returncode == 0
        assert len(re.findall(r"^logboom \S+ on testhost", three.stdout, re.M)) == 3
        assert "web " not in three.stdout and "*service" in three.stdout
        narrow = subprocess.run([a.program.parent / "logboom", "top", "-d", "0.2"], env={**a.env, "COLUMNS": "60"},
                                capture_output=True, text=True, timeout=60)
        assert narrow.returncode == 0 and all(len(line) <= 60 for line in narrow.stdout.splitlines())


def test_plain_text_in_a_terminal_where_it_is_wished_for(agent, sink, terminal):
    agent(sink)
    t = terminal()
    t.type("logboom top -b -d 0.2; echo code=$?\n")
    t.wait(lambda: "code=0" in t.lines)
    assert "before" in t.lines and any("sink datadog" in line for line in t.lines)


def test_exit_codes(agent, sink, terminal):
    a = agent(sink)
    for args in (["-n", "0"], ["-n", "x"], ["-d", "0"], ["-d", "1s"], ["-d", "inf"], ["--sort", "s"], ["-z"], ["word"],
                 ["--filter", "x" * 65]):
        done = a.client("top", *args)
        assert done.returncode == 2 and done.stderr, args
    assert a.client("top", "--help").returncode == 0
    a.term()
    done = a.client("top")
    assert done.returncode == 3 and "agent" in done.stderr and done.stdout == ""
    t = terminal()
    t.type("logboom top; echo code=$?\n")
    t.wait(lambda: "code=3" in t.lines, what="the shell is told, and no other screen is shown")
    assert any("agent cannot be reached" in line for line in t.lines)


def test_a_reader_that_leaves_ends_it(agent, sink):
    a = agent(sink)
    top = a.popen("top", "-n", "1000", "-d", "0.1", stdout=subprocess.PIPE)
    assert top.stdout.readline().startswith(b"logboom ")
    top.stdout.close()
    assert top.wait(60) == 0


def test_an_agent_that_is_stopped_does_not_stop_the_keys(agent, sink, terminal):
    a = agent(sink)
    t = terminal()
    begin(t)
    a.process.send_signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        t.type("h")
        t.wait(lambda: "order by the next" in t.text)
        t.type("xq")
        t.wait(lambda: t.flag("alternate_on") == "0")
        assert time.monotonic() - begun < 9, "nobody waited for the agent"
    finally:
        a.process.send_signal(signal.SIGCONT)


def test_watching_takes_nothing_away(agent, sink, intake):
    a = agent(sink)
    tops = [a.popen("top", "-n", "1000", "-d", "0.1", stdout=subprocess.DEVNULL) for _ in range(3)]
    a.run("/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo line $i; done", service="app")
    a.flush()
    for top in tops:
        assert top.poll() is None
        top.terminate()
        assert top.wait(20) == -signal.SIGTERM
    assert book(a)["in"] == book(a)["delivered"] == 9
    assert len([entry for entry in intake.entries() if entry["message"].startswith("line ")]) == 9
