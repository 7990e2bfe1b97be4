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
import signal
import subprocess
from datetime import datetime, timedelta

import pytest

from conftest import BUILD, ROOT, SUPPORT, ini_text, is_sanitized, wait_until
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
        assert one["patterns_one_in"] in (1, 8)
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


def test_a_page_for_a_person_is_no_wider_than_100_columns_and_bears_no_control_character(tmp_path):
    log = log_of(random.Random(3), 2000) + b"\x1b[31mred \x07 \xff\xfe text\x00 " + b"x" * 500 + b"\n"
    name = "shop-" + "x" * 95  # as long as a service's may be
    text = plan(tmp_path, {"throttle": {"min_level": "info", "drop " + "y" * 40: "noise a"}}, log, "-s", name,
                against={}).stdout.decode()
    rows = text.splitlines()
    assert max(map(len, rows)) <= 100, max(rows, key=len)
    assert all(ch == "\n" or ch.isprintable() for ch in text)
    assert "patterns of shop-xxx" in text and "min_level" in text


def test_the_manual_names_each_member_of_the_object(tmp_path):
    def members(value, of_names=False):
        if isinstance(value, list):
            return set().union(*map(members, value))
        if not isinstance(value, dict):
            return set()
        inner = [members(one, key in ("services", "held_by", "dropped_by")) for key, one in value.items()]
        return set().union(set() if of_names else value, *inner)

    log = log_of(random.Random(8), 500)
    told = members(planned(tmp_path, {"throttle": {"min_level": "info"}}, log, against={}))
    manual = (ROOT / "packaging/man/logboom-plan.1").read_text()
    named = set(re.findall(r"\w+", " ".join(re.findall(r"^\.(?:It )?Cm (.*)", manual, re.M))))
    assert told == named, told ^ named


# --- what it estimates


EVERYTHING = {"throttle": {"rate": "off", "pattern_rate": "off", "floor_rate": "off", "collapse": "off", "pressure": "no"},
              "capture": {"repeat_window": "off"}}
LITTLE = {"throttle": {"rate": "50000/day", "burst": "1000", "pattern_rate": "1000/day", "trigger": "off", "pressure": "no"},
          "capture": {"repeat_window": "off"}}


def bench_log():
    return subprocess.run([SUPPORT / "corpus", "--bytes", "12M"], check=True, capture_output=True).stdout


def skewed_log():
    """A day whose hours differ: in what is said, how well that packs, and how much of it there is."""
    chance, now, lines = random.Random(5), datetime(2026, 11, 27), []
    while now.day == 27:
        kind = now.hour % 4
        now += timedelta(seconds=chance.expovariate((0.05, 3, 0.5, 8, 0.01)[now.hour % 5]))
        text = ("INFO app.loop: tick",
                f"INFO app.net: request {chance.getrandbits(64):016x} from 10.0.{chance.randrange(256)}.1",
                f"DEBUG app.blob: payload {chance.getrandbits(1600):x}",
                f"{'ERROR' if chance.random() < 0.02 else 'INFO'} worker: job {chance.randrange(50)} is done, all is well")
        lines.append(f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03} {text[kind]}")
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.parametrize("log_of_a_kind", [bench_log, skewed_log])
def test_what_is_estimated_is_as_if_it_were_measured(tmp_path, log_of_a_kind):
    """With a quota each body is packed, as what is decided may hang on it."""
    log = log_of_a_kind()
    whole = planned(tmp_path, {**EVERYTHING, "network": {"quota": "1000G/day"}}, log)
    parts, little = planned(tmp_path, EVERYTHING, log), planned(tmp_path, LITTLE, log)
    real = whole["plan"]
    assert real["measured"] == 1 and real["kept"] == real["in"] == whole["lines"]
    assert little["plan"]["kept"] < 0.8 * real["kept"]
    for told in parts["plan"], parts["unthrottled"], little["unthrottled"]:
        assert 0.1 < told["measured"] < 0.7
        assert told["wire_bytes"] == pytest.approx(real["wire_bytes"], rel=0.02)
        assert told["bodies"] == pytest.approx(real["bodies"], rel=0.005)
    for engine in parts["plan"], little["plan"]:
        assert engine["in"] == real["in"]
        assert engine["services"]["stdin"]["in_bytes"] == real["services"]["stdin"]["in_bytes"]
        assert_balances(engine)


def test_an_estimate_is_told_as_one(tmp_path):
    log = bench_log()
    text = plan(tmp_path, EVERYTHING, log).stdout.decode()
    assert "estimated" in text and "counted by 1 in 8" in text and max(map(len, text.splitlines())) <= 100
    text = plan(tmp_path, EVERYTHING, log[:100_000]).stdout.decode()
    assert "estimated" not in text and "1 in 8" not in text


def test_patterns_of_kept_lines_are_counted_by_some_and_what_gave_way_each(tmp_path):
    begin = datetime(2026, 11, 27)
    log = "".join(f"{begin + timedelta(milliseconds=100 * n):%Y-%m-%d %H:%M:%S} "
                  f"{('INFO app: read it', 'INFO app: wrote it', 'DEBUG app: noise')[n % 10 // 4]}\n"
                  for n in range(200_000)).encode()
    sections = {"throttle": {**EVERYTHING["throttle"], "min_level": "info"}}
    service = planned(tmp_path, sections, log)["plan"]["services"]["stdin"]
    rows = {p["template"].rpartition(": ")[2]: p for p in service["patterns"]}
    assert service["patterns_one_in"] == 8
    assert rows["noise"]["held"] + rows["noise"]["dropped"] == 40_000
    assert rows["read it"]["kept"] == pytest.approx(80_000, rel=0.03)
    assert rows["wrote it"]["kept"] == pytest.approx(80_000, rel=0.03)
    assert sum(p["kept"] for p in service["patterns"]) == service["kept"] == 160_000


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


@pytest.mark.parametrize("mode", ["plan", "explain"])
def test_a_line_without_an_end_takes_no_memory(tmp_path, mode):
    ini = tmp_path / "plan.ini"
    ini.write_text(ini_text({**SINK, "throttle": {"rate": "1/day", "burst": "1"}}))
    size = 300 << 20 if mode == "plan" else 150 << 20
    process = subprocess.Popen([BUILD / "logboom", mode, "-c", ini], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    for _ in range(size >> 20):
        process.stdin.write(b"x" * (1 << 20))
    with open(f"/proc/{process.pid}/status") as status:
        peak_kib = int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1])
    process.stdin.close()
    assert process.wait(60) == 0
    if not is_sanitized():  # which keeps what was freed
        assert peak_kib < 50 << 10


@pytest.mark.parametrize("length", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_line_is_the_same_in_parts(tmp_path, length, end):
    """As long as max_line, or as what is read at once, about."""
    log = b"".join(b"y" * max(n + length, 0) + (end or b"\n") for n in (4096, 2 * 4096, 65536, 3 * 65536)) + b"z" * 5000
    sections = {"capture": {"max_line": "4K", "multiline": "off", "repeat_window": "off"}, **{
        "throttle": EVERYTHING["throttle"]}}
    pieces = sum(max(-(-len(line) // 4096), 1) for line in (text.rstrip(b"\r") for text in log.split(b"\n")))
    told = planned(tmp_path, sections, log)
    assert told["lines"] == 5 and told["bytes"] == len(log) and told["plan"]["kept"] == pieces


def test_a_full_disk_is_told(tmp_path):
    ini = tmp_path / "plan.ini"
    ini.write_text(ini_text(SINK))
    for args in [], ["--json"]:
        with open("/dev/full", "wb") as full:
            done = subprocess.run([BUILD / "logboom", "plan", "-c", ini, *args], input=log_of(random.Random(6), 3000),
                                  stdout=full, stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == 1
        assert done.stderr == b"logboom plan: cannot write: No space left on device\n"


def test_nothing_is_left_behind(tmp_path):
    before = {name for name in os.listdir("/dev/shm") if name.startswith("logboom-plan.")}
    planned(tmp_path, {}, b"x\n", against={})
    plan(tmp_path, {"throttle": {"rate": "often"}}, b"x\n", check=False)
    assert {name for name in os.listdir("/dev/shm") if name.startswith("logboom-plan.")} <= before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_behind_by_one_that_is_stopped(tmp_path, number):
    ini = tmp_path / "plan.ini"
    ini.write_text(ini_text(SINK))
    process = subprocess.Popen([BUILD / "logboom", "plan", "-c", ini], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    process.stdin.write(log_of(random.Random(9), 2000))
    process.stdin.flush()

    def files_of_both_engines():
        with open(f"/proc/{process.pid}/maps") as maps:
            found = set(re.findall(r"(/dev/shm/logboom-plan\.\w+)/ring", maps.read()))
        return len(found) == 2 and found

    directories = wait_until(files_of_both_engines)
    process.send_signal(number)
    assert process.wait(20) != 0
    process.stdin.close()
    assert not [name for name in directories if os.path.exists(name)]


def test_progress_is_told_on_a_terminal_only(tmp_path):
    ini = tmp_path / "plan.ini"
    ini.write_text(ini_text(SINK))
    log = tmp_path / "log"
    log.write_bytes(log_of(random.Random(4), 20000) * 5)
    assert log.stat().st_size > 5 << 20  # it is told each 4 MiB at most
    master, slave = pty.openpty()
    with open(log, "rb") as lines:
        done = subprocess.run([BUILD / "logboom", "plan", "-c", ini], stdin=lines, stdout=subprocess.PIPE, stderr=slave,
                              timeout=120)
    shown = os.read(master, 65536)  # while the other end is open: then what was written is there
    os.close(slave)
    os.close(master)
    assert done.returncode == 0
    assert re.match(rb"\rlogboom plan: \d\.\d MiB, \d+ lines ", shown), shown
    assert shown.endswith(b"\r" + b" " * 60 + b"\r"), "it is gone at the end"
    assert plan(tmp_path, {}, log.read_bytes()).stderr == b""


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
    other = a.pipe("-s", "till")
    other.communicate(b"".join(b"INFO:app:counted %d\n" % n for n in range(7)), timeout=20)
    wait_until(lambda: book(a, "till")["in"] == 7)
    assert set(planned(tmp_path, {}, b"", "--ring", env=env)["plan"]["services"]) == {"shop", "till"}
    told = planned(tmp_path, {}, b"", "--ring", "-s", "till", env=env)
    assert set(told["plan"]["services"]) == {"till"} and told["lines"] == told["plan"]["in"] == 7
    done = plan(tmp_path, {}, b"", "--ring", "-s", "nobody", check=False, env=env)
    assert done.returncode == 1 and b"no lines" in done.stderr
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


@pytest.mark.parametrize("rounds", [24, pytest.param(60, marks=pytest.mark.long)])
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
