# SPDX-License-Identifier: MIT
"""logboom plan: what a configuration would make of a log, before anybody ships it.

The story: an engineer has the log of a day from one device, and a configuration for ten thousand. The plan tells line by
line what the agent would do, because it is the agent that does it, on the log's own clock.
"""

import json
import os
import pty
import random
import re
import subprocess
from datetime import datetime, timedelta

import pytest

from conftest import BUILD, ini_text, wait_until
from lines import assert_books_balance, book, seeded

SINK = {"sink d": {"type": "datadog"}}


def plan(tmp_path, sections, log, *args, against=None, check=True, env=None):
    ini = tmp_path / "plan.ini"
    ini.write_text(ini_text({**sections, **SINK}))
    more = []
    if against is not None:
        other = tmp_path / "against.ini"
        other.write_text(ini_text({**against, **SINK}))
        more = ["--against", other]
    done = subprocess.run([BUILD / "logboom", "plan", "-c", ini, *more, *args], input=log, capture_output=True,
                          timeout=120, env={**os.environ, **(env or {})})
    if check:
        assert done.returncode == 0, done.stderr
    return done


def planned(tmp_path, sections, log, *args, **kwargs):
    return json.loads(plan(tmp_path, sections, log, "--json", *args, **kwargs).stdout)


def log_of(chance, count, gap_ms=200, begin=datetime(2026, 11, 27, 8)):
    """Lines of some kinds, as a service says them, each with its time."""
    lines, now = [], begin
    for n in range(count):
        now += timedelta(milliseconds=chance.randrange(1, 2 * gap_ms))
        stamp = now.strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]
        lines.append(chance.choice([
            f"{stamp} INFO app: read sensor {n} in {n % 77} ms",
            f"{stamp} INFO app: read sensor {n} in {n % 77} ms",
            f"{stamp} DEBUG app: cache {n % 100} of {n}",
            f"{stamp} INFO app: the same again",
            f"{stamp} WARNING app: slow answer of {n} ms",
            f"{stamp} INFO app: noise {chance.choice('abc')}",
            f"{stamp} ERROR app: pump {n} failed",
            f"{stamp} ERROR app: job {n}\nTraceback (most recent call last):\n  File \"a.py\", line {n}, in f{n % 3}\n"
            f"KeyError: {n}",
        ]))
    return ("\n".join(lines) + "\n").encode()


def assert_balances(engine):
    assert engine["in"] == engine["kept"] + engine["held"] + engine["dropped"]
    for one in engine["services"].values():
        assert one["in"] == one["kept"] + one["held"] + one["dropped"]
        assert one["held"] == sum(one["held_by"].values()) and one["dropped"] == sum(one["dropped_by"].values())
        fates = [sum(p[fate] for fate in ("kept", "held", "sampled", "collapsed", "repeated", "dropped"))
                 for p in one["patterns"]]
        assert sum(fates) + one["dropped_by"]["blank"] == one["in"], "each line is in one pattern"
        assert sum(p["kept"] for p in one["patterns"]) + one["promoted"] == one["kept"]


# --- what it tells


def test_all_of_a_quiet_log_is_kept_and_costs_what_it_does_unthrottled(tmp_path):
    log = b"".join(b"2026-11-27 %02d:%02d:00,000 INFO app: job %d is done in %d s\n" % (h, m, h, m)
                   for h in range(24) for m in range(0, 60, 5))
    told = planned(tmp_path, {}, log, "-s", "jobs")
    engine = told["plan"]
    assert told["lines"] == told["records"] == told["timed"] == 288 and told["span_s"] == 23 * 3600 + 55 * 60
    assert engine["in"] == engine["kept"] == 288 and engine["held"] == engine["dropped"] == 0
    assert set(engine["services"]) == {"jobs"}
    assert engine["wire_month"] == pytest.approx(30 * engine["wire_day"], rel=0.001)
    assert engine["wire_day"] == pytest.approx(engine["wire_bytes"] * 86400 / told["span_s"], rel=0.001)
    assert told["unthrottled"]["wire_bytes"] == pytest.approx(engine["wire_bytes"], rel=0.01)
    assert_balances(engine)


def test_what_gives_way_is_told_with_the_key_or_the_rule_that_decided(tmp_path):
    sections = {"throttle": {"min_level": "info", "rate": "1/day", "burst": "100", "pattern_rate": "off",
                             "drop chatter": "noise a", "trigger": "off"}}
    engine = planned(tmp_path, sections, log_of(random.Random(1), 2000))["plan"]
    why = {(w["reason"], w["by"]): w["lines"] for w in engine["services"]["stdin"]["why"]}
    assert why[("filter", "min_level")] > 100 and why[("filter", "chatter")] > 30
    assert any(reason == "limit" for reason, _ in why)
    assert_balances(engine)


def test_the_clock_is_that_of_the_lines(tmp_path):
    """Twenty lines a second of a pattern pass, whenever the log is read."""
    slow = b"".join(b"2026-11-27 08:%02d:%02d,000 INFO app: read sensor %d\n" % (n // 60, n % 60, n)
                    for n in range(3000))
    fast = b"".join(b"2026-11-27 08:00:00,%03d INFO app: read sensor %d\n" % (n // 4 % 1000, n) for n in range(3000))
    assert planned(tmp_path, {}, slow)["plan"]["kept"] == 3000
    assert planned(tmp_path, {}, fast)["plan"]["kept"] < 1000


def test_lines_without_a_time_come_at_the_rate_given(tmp_path):
    log = b"".join(b"read sensor %d\n" % n for n in range(3000))
    told = planned(tmp_path, {}, log, "--rate", "10/s")
    assert told["timed"] == 0 and told["span_s"] == pytest.approx(299.9, abs=0.2)
    assert told["plan"]["kept"] == 3000
    assert planned(tmp_path, {}, log, "--rate", "5000/s")["plan"]["kept"] < 1000


def test_a_date_that_makes_no_sense_here_does_not_move_the_clock(tmp_path):
    log = (b"2026-11-27 08:00:00,000 INFO app: begin\n" b"9999-11-27 08:00:00,000 INFO app: from afar\n"
           b"2026-11-27 08:00:10,000 INFO app: end\n" b"1999-01-01 00:00:00,000 INFO app: long ago\n")
    told = planned(tmp_path, {}, log)
    assert told["span_s"] < 60 and told["timed"] == 2 and told["plan"]["kept"] == 4


def test_context_that_an_error_brings_is_kept(tmp_path):
    log = b"".join(b"2026-11-27 08:00:%02d,000 DEBUG app: step %d\n" % (n, n) for n in range(20))
    log += b"2026-11-27 08:00:20,000 ERROR app: it failed\n"
    sections = {"throttle": {"min_level": "info"}}
    engine = planned(tmp_path, sections, log)["plan"]
    assert engine["promoted"] == 20 and engine["kept"] == 21 and engine["held"] == 0
    sections["throttle"]["trigger"] = "off"
    engine = planned(tmp_path, sections, log)["plan"]
    assert engine["promoted"] == 0 and engine["held"] == 20
    assert_balances(engine)


def test_a_quota_is_planned_as_it_would_be_kept(tmp_path):
    log = b"".join(b"2026-11-27 %02d:%02d:%02d,000 WARNING app: slow answer %d of %x\n" %
                   (n // 3600, n // 60 % 60, n % 60, n, n * n) for n in range(0, 86400, 4))
    engine = planned(tmp_path, {"network": {"quota": "200K/day"}}, log)["plan"]
    assert 160_000 < engine["wire_bytes"] <= 200 << 10
    assert engine["services"]["stdin"]["held_by"]["quota"] + engine["services"]["stdin"]["dropped_by"]["quota"] > 1000
    assert_balances(engine)


def test_two_configurations_side_by_side(tmp_path):
    log = log_of(random.Random(2), 3000)
    told = planned(tmp_path, {"throttle": {"min_level": "warning"}}, log, against={"capture": {"multiline": "off"}})
    assert told["plan"]["kept"] < told["against"]["kept"]
    assert told["plan"]["in"] == told["against"]["in"] == told["lines"]
    assert_balances(told["plan"])
    assert_balances(told["against"])
    text = plan(tmp_path, {"throttle": {"min_level": "warning"}}, log, against={}).stdout.decode()
    assert "plan.ini" in text and "against.ini" in text and "unthrottled" in text


def test_a_page_for_a_person_is_no_wider_than_120_columns_and_bears_no_control_character(tmp_path):
    log = log_of(random.Random(3), 2000) + b"\x1b[31mred \x07 \xff\xfe text\x00 " + b"x" * 500 + b"\n"
    text = plan(tmp_path, {"throttle": {"min_level": "info"}}, log, "-s", "shop").stdout.decode()
    rows = [row for row in text.splitlines() if ".ini" not in row]
    assert max(map(len, rows)) <= 120, max(rows, key=len)
    assert all(ch == "\n" or ch.isprintable() for ch in text)
    assert "patterns of shop" in text and "min_level" in text


# --- bad input


@pytest.mark.parametrize("args, code, word", [(["--rate", "fast"], 2, "--rate"), (["--rate", "0/s"], 2, "--rate"),
                                              (["extra"], 2, "extra"), (["--nope"], 2, "nope"),
                                              (["-s", "a b"], 2, "a b"), (["--against", "/no/such.ini"], 2, "such.ini")])
def test_wrong_usage_names_what_is_wrong(tmp_path, args, code, word):
    done = plan(tmp_path, {}, b"x\n", *args, check=False)
    assert done.returncode == code and word in done.stderr.decode()


def test_a_faulty_configuration_is_told_by_file_and_line(tmp_path):
    done = plan(tmp_path, {"throttle": {"rate": "often"}}, b"x\n", check=False)
    assert done.returncode == 2 and b"plan.ini:2: " in done.stderr


def test_an_empty_log_is_told(tmp_path):
    done = plan(tmp_path, {}, b"", check=False)
    assert done.returncode == 1 and b"no lines" in done.stderr


def test_garbage_and_lines_of_a_megabyte_are_lines(tmp_path):
    log = os.urandom(200_000) + b"\n" + b"z" * (1 << 20) + b"\n\n\n" + b"no end"
    engine = planned(tmp_path, {}, log)["plan"]
    assert engine["in"] == engine["kept"] + engine["held"] + engine["dropped"] > 10
    assert engine["services"]["stdin"]["dropped_by"]["blank"] >= 2


def test_nothing_is_left_behind(tmp_path):
    before = {name for name in os.listdir("/dev/shm") if name.startswith("logboom-plan.")}
    planned(tmp_path, {}, b"x\n", against={})
    plan(tmp_path, {"throttle": {"rate": "often"}}, b"x\n", check=False)
    assert {name for name in os.listdir("/dev/shm") if name.startswith("logboom-plan.")} <= before


def test_progress_is_told_on_a_terminal_only(tmp_path):
    ini = tmp_path / "plan.ini"
    ini.write_text(ini_text(SINK))
    log = tmp_path / "log"
    log.write_bytes(log_of(random.Random(4), 20000) * 4)
    master, slave = pty.openpty()
    with open(log, "rb") as lines:
        done = subprocess.run([BUILD / "logboom", "plan", "-c", ini], stdin=lines, stdout=subprocess.PIPE, stderr=slave,
                              timeout=120)
    os.close(slave)
    assert done.returncode == 0
    os.set_blocking(master, False)
    try:
        shown = os.read(master, 65536)
    except (BlockingIOError, OSError):
        shown = b""
    os.close(master)
    assert shown == b"" or b"logboom plan: " in shown
    assert plan(tmp_path, {}, log_of(random.Random(4), 100)).stderr == b""


# --- the agent itself


def test_the_ring_of_an_agent_is_planned_for(agent, sink, intake, tmp_path):
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    a = agent({**sink, "throttle": {"min_level": "info"}})
    client = a.pipe("-s", "shop")
    client.communicate(b"".join(b"INFO:app:sold %d\nDEBUG:app:cache %d\n" % (n, n) for n in range(200)), timeout=20)
    wait_until(lambda: book(a, "shop")["in"] == 400)
    env = {"LOGBOOM_RUNTIME_DIR": str(a.runtime)}
    told = planned(tmp_path, {}, b"", "--ring", env=env)
    assert told["plan"]["services"]["shop"]["in"] == 400 and told["plan"]["services"]["shop"]["kept"] == 400
    told = planned(tmp_path, {"throttle": {"min_level": "warning"}}, b"", "--ring", env=env)
    assert told["plan"]["services"]["shop"]["held_by"]["filter"] == 400
    a.term()
    done = plan(tmp_path, {}, b"", "--ring", check=False, env=env)
    assert done.returncode == 3 and b"agent" in done.stderr


def settings_of(chance):
    """Settings whose outcome hangs on the order of lines, and not on how long they took."""
    pick = chance.choice
    throttle = {
        "min_level": pick(["debug", "info", "notice", "off"]),
        "rate": pick(["off", "1/day", "3/day"]), "burst": pick(["1", "10", "300"]),
        "pattern_rate": pick(["off", "1/day", "2/day"]), "pattern_burst": pick(["1", "5", "50"]),
        "sample": pick(["off", "1/3", "1/100"]), "floor": pick(["off", "warning", "error"]),
        "floor_rate": pick(["off", "1/day"]), "floor_burst": pick(["5", "100"]),
        "collapse": pick(["off", "1h"]), "max_patterns": pick(["off", "2", "512"]),
        "trigger": pick(["off", "error", "critical"]), "context": pick(["off", "1h"]),
        "context_bytes": pick(["off", "64K", "256K"]), "pressure": "no",
    }
    if chance.random() < 0.4:
        throttle["drop noise"] = pick(["noise a", "noise [ab]", "pump"])
    if chance.random() < 0.4:
        throttle["keep gold"] = pick(["noise c", "cache 7 "])
    return {"throttle": throttle, "capture": {"repeat_window": pick(["off", "1h"]),
                                              "multiline": pick(["python", "off"])},
            "held": {"size": pick(["off", "1M"])}}


@pytest.mark.parametrize("rounds", [8, pytest.param(60, marks=pytest.mark.long)])
def test_plan_and_agent_agree_to_the_line(agent, sink, intake, tmp_path, rounds):
    base = seeded()
    for _ in range(rounds):
        seed = base.randrange(1 << 32)
        chance = random.Random(seed)
        # Without times: for both all lines come at once, as far as a limit is concerned.
        settings, log = settings_of(chance), re.sub(rb"(?m)^2026\S+ \S+ ", b"", log_of(chance, 400))
        engine = planned(tmp_path, settings, log, "-s", "app", "--rate", "1000000/s")["plan"]
        a = agent({**sink, **settings})
        client = a.pipe("-s", "app")
        client.communicate(log, timeout=30)
        lines = log.count(b"\n")
        wait_until(lambda: book(a, "app")["in"] == lines and book(a, "app")["open"] == 0, what=f"seed {seed}")
        status = a.status()
        assert_books_balance(status)
        real, told = status["books"]["services"]["app"], engine["services"]["app"]
        found = {"kept": real["queued"]["lines"],
                 **{f"held by {k}": v["lines"] for k, v in real["held_by"].items()},
                 **{f"dropped by {k}": v["lines"] for k, v in real["dropped_by"].items()}}
        want = {"kept": told["kept"], **{f"held by {k}": v for k, v in told["held_by"].items()},
                **{f"dropped by {k}": v for k, v in told["dropped_by"].items()}}
        assert found == want, (seed, settings)
        assert a.term() == 0
        for name in ("state", "ring", "held", "staging"):
            (a.runtime / name).unlink(missing_ok=True)
