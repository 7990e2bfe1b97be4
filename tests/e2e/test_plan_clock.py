# SPDX-License-Identifier: MIT
"""The clock of a plan: a log takes as long as its own stamps say, whatever they look like.

Beside each log stands what an independent reading of it says: that of Python's own strptime(), or the differences that
the log was made of.
"""

import json
import re
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

from conftest import BUILD, ROOT, ini_text

LOGS = ROOT.parent / "shared" / "data" / "logs"
BEGIN = datetime(2026, 11, 27, 8, tzinfo=timezone.utc)


def planned(tmp_path, log, *args, sections=None):
    ini = tmp_path / "plan.ini"
    ini.write_text(ini_text({**(sections or {}), "sink d": {"type": "datadog"}}))
    done = subprocess.run([BUILD / "logboom", "plan", "-c", ini, "--json", *args], input=log, capture_output=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def stamped(*seconds, form="%Y-%m-%d %H:%M:%S INFO app: up", begin=BEGIN):
    """A log with a record at each of these seconds."""
    return "".join((begin + timedelta(seconds=s)).strftime(form) + "\n" for s in seconds).encode()


def ms_of(moment):
    return int(moment.timestamp() * 1000)


# --- logs of others


def openstack(line):
    return datetime.strptime(" ".join(line.split()[1:3]), "%Y-%m-%d %H:%M:%S.%f")


def hdfs(line):
    return datetime.strptime(line[:13], "%y%m%d %H%M%S")


def apache(line):
    return datetime.strptime(line[1:25], "%a %b %d %H:%M:%S %Y")


def linux(line):
    return datetime.strptime("2005 " + line[:15], "%Y %b %d %H:%M:%S")


@pytest.mark.parametrize("name, read", [("Apache", apache), ("HDFS", hdfs), ("Linux", linux), ("OpenStack", openstack)])
def test_a_sample_takes_as_long_as_it_says(tmp_path, name, read):
    log = (LOGS / f"{name}_2k.log").read_bytes()
    times = [read(line) for line in log.decode().splitlines()]
    told = planned(tmp_path, log)
    assert told["span_s"] == pytest.approx((max(times) - min(times)).total_seconds(), abs=0.001)
    assert told["timed"] == told["records"] == len(times)
    if name != "Linux":  # which says no year
        assert told["first_ms"] == ms_of(times[0].replace(tzinfo=timezone.utc))


@pytest.mark.parametrize("form", [
    "%Y-%m-%d %H:%M:%S,%f up", "%Y-%m-%dT%H:%M:%S.%fZ up", "[%a %b %d %H:%M:%S.%f %Y] [core:notice] up",
    "%b %d %H:%M:%S pi app[7]: up", "%y%m%d %H%M%S 148 INFO up", "%H:%M:%S.%f [main] INFO up",
    "I%m%d %H:%M:%S.%f 7 main.go:12] up", "%Y/%m/%d %H:%M:%S up", "12:M %d %b %Y %H:%M:%S.%f * up",
    "10.0.0.1 - - [%d/%b/%Y:%H:%M:%S +0200] \"GET / HTTP/1.1\" 200 5", "level=info msg=up time=%Y-%m-%dT%H:%M:%SZ",
    "{\"level\":\"info\",\"msg\":\"" + "up and " * 100 + "\",\"time\":\"%Y-%m-%dT%H:%M:%S.%fZ\"}",
    "%b %d, %Y %I:%M:%S %p org.app.Main main", "job-2020-01-01_00:00:00.log %Y-%m-%d %H:%M:%S up",
])
def test_a_form_is_read(tmp_path, form):
    told = planned(tmp_path, stamped(*range(0, 1800, 6), form=form))
    assert told["timed"] == told["records"] == 300
    assert told["span_s"] == 1794


def test_the_kernels_seconds_are_read(tmp_path):
    log = b"".join(b"[%5d.%06d] usb 1-1: new device\n" % (n * 3, n) for n in range(300))
    told = planned(tmp_path, log)
    assert told["timed"] == 300 and told["span_s"] == pytest.approx(897, abs=0.001)


# --- how time passes


@pytest.mark.parametrize("gap", [timedelta(hours=1), timedelta(days=8), timedelta(days=400),
                                 timedelta(days=3653)])
def test_a_pause_counts_however_long(tmp_path, gap):
    log = stamped(*range(100), begin=BEGIN - gap) + stamped(*range(100))
    told = planned(tmp_path, log)
    assert told["span_s"] == gap.total_seconds() + 99 and told["timed"] == 200
    assert told["last_ms"] == ms_of(BEGIN) + 99_000


def test_a_wild_stamp_changes_nothing(tmp_path):
    wild = b"2038-01-19 03:14:07 INFO app: certificate ends\n1970-01-01 00:00:00 INFO app: no date\n"
    log = stamped(*range(100)) + wild + stamped(*range(100, 200))
    assert planned(tmp_path, log)["span_s"] == 199


def test_what_stands_before_the_first_stamp_is_of_the_log_too(tmp_path):
    begin = datetime(2017, 5, 16, tzinfo=timezone.utc)
    log = b"app 1.2 begins\nit reads its settings\n" + stamped(*range(0, 600, 6), begin=begin)
    told = planned(tmp_path, log)
    assert told["first_ms"] == ms_of(begin) and told["span_s"] == 594 and told["records"] == 102


def test_new_year_comes_without_a_year(tmp_path):
    eve = datetime(2025, 12, 31, 23, 59)
    seconds = [0, 30, 59, 61, 58, 62, 59, 90]
    told = planned(tmp_path, stamped(*seconds, form="%b %e %H:%M:%S pi app: up", begin=eve))
    assert told["span_s"] == 90 and told["timed"] == 8


def test_zones_are_brought_together(tmp_path):
    east = timezone(timedelta(hours=5, minutes=45))
    log = b"".join((BEGIN + timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%SZ zoned\n").encode() if s % 3 else
                   (BEGIN + timedelta(seconds=s)).astimezone(east).strftime("%Y-%m-%d %H:%M:%S local\n").encode()
                   for s in range(600))
    told = planned(tmp_path, log)
    assert told["span_s"] == 599 and told["timed"] == 600


def test_logs_in_the_order_of_their_names_count_each(tmp_path):
    """cat app.log app.log.1 app.log.2: the newest comes first."""
    log = b"".join(stamped(*range(0, 3600, 4), begin=BEGIN - timedelta(days=day)) for day in range(3))
    assert planned(tmp_path, log)["span_s"] == 3 * 3596


def test_a_quota_is_that_of_the_logs_days(tmp_path):
    """Of two days, each with its quota; the log begins with lines that say no time."""
    begin = datetime(2017, 5, 16, 12, tzinfo=timezone.utc)
    lines = [f"{(begin + timedelta(seconds=s)).strftime('%F %T')} WARNING app: slow answer {s} of {s * s:x}\n"
             for s in range(0, 86400, 4)]
    log = b"begin\n" + "".join(lines).encode()
    engine = planned(tmp_path, log, sections={"network": {"quota": "100K/day"}})["plan"]
    assert 110_000 < engine["wire_bytes"] <= 200 << 10  # more than of one day


@pytest.mark.parametrize("sections", [{}, {"network": {"quota": "2M/day"}}])
def test_days_without_a_line_cost_what_their_heartbeats_do_and_no_time(tmp_path, sections):
    """One day of a pause is like another, so that of ten years only some are gone through."""
    def cost(days):
        log = stamped(*range(100), begin=BEGIN - timedelta(days=days)) + stamped(*range(100))
        return planned(tmp_path, log, sections={"throttle": {"pressure": "no"}, **sections})["plan"]["wire_bytes"]

    some = cost(2), cost(12)
    a_day = (some[1] - some[0]) / 10
    assert a_day > 1000, "heartbeats"
    assert cost(3653) == pytest.approx(some[0] + 3651 * a_day, rel=0.03)


# --- records that wait for their time


def test_records_of_a_sparse_log_are_whole_and_in_their_order(tmp_path):
    """One an hour: each waits until others agree that the log went on. An error brings the ones before it along."""
    lines = []
    for n in range(200):
        stamp = (BEGIN + timedelta(hours=n)).strftime("%Y-%m-%d %H:%M:%S")
        lines.append(f"{stamp} DEBUG app: step {n}\n{stamp} ERROR app: job {n}\nTraceback (most recent call last):\n"
                     f"  File \"a.py\", line {n}, in f\nKeyError: {n}\n")
    sections = {"throttle": {"min_level": "info", "context": "30s"}}
    told = planned(tmp_path, "".join(lines).encode(), sections=sections)
    assert told["span_s"] == 199 * 3600 and told["timed"] == told["records"] == 400
    assert told["plan"]["promoted"] == 200 and told["plan"]["kept"] == told["plan"]["in"] == 1000


def test_waiting_does_not_hold_all_of_a_log(tmp_path):
    """Half a megabyte in a record, and nothing to agree with it before the next one."""
    log = stamped(0, 1) + b"".join(stamped(3600 * n, form="%F %T INFO app: " + "x" * 500_000) for n in range(1, 20))
    told = planned(tmp_path, log, sections={"capture": {"max_line": "16K"}})
    assert told["span_s"] == 19 * 3600


def test_blank_lines_before_the_first_record_are_counted(tmp_path):
    for log in (b"\n\n\n" + stamped(*range(10)), b"\n\n\nno stamp\n", stamped(0) + b"\n\n\n"):
        engine = planned(tmp_path, log)["plan"]
        assert engine["services"]["stdin"]["dropped_by"]["blank"] == 3
        assert engine["in"] == log.count(b"\n")


def test_both_configurations_have_the_same_clock(tmp_path):
    log = stamped(*range(100)) + stamped(*range(100), begin=BEGIN + timedelta(days=30)) + b"\n\n"
    other = tmp_path / "other.ini"
    other.write_text(ini_text({"capture": {"multiline": "off"}, "sink d": {"type": "datadog"}}))
    told = planned(tmp_path, log, "--against", other)
    assert told["span_s"] == 30 * 86400 + 99
    assert told["plan"]["in"] == told["against"]["in"] == 202


def test_few_records_bear_a_time_and_that_is_told(tmp_path):
    ini = tmp_path / "plan.ini"
    ini.write_text(ini_text({"sink d": {"type": "datadog"}}))
    log = stamped(*range(10)) + b"no stamp\n" * 5
    text = subprocess.run([BUILD / "logboom", "plan", "-c", ini], input=log, capture_output=True, check=True,
                          timeout=120).stdout.decode()
    assert re.search(r"\b5 of 15 records\b.*before", text)
    text = subprocess.run([BUILD / "logboom", "plan", "-c", ini], input=b"no stamp\n" * 5, capture_output=True,
                          check=True, timeout=120).stdout.decode()
    assert re.search(r"--rate", text)
