# SPDX-License-Identifier: MIT
"""A month under a quota, on a simulated clock, with both sides of the agent (month.c).

Whatever the month is like: the quota is never passed; where there is demand nine tenths of it are spent; it lasts to
the last day; and errors come through every hour in which there are any.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("LB_BUILD", Path(__file__).resolve().parents[2] / "build")).resolve()
SETTINGS = """[agent]
hostname = h
[network]
quota = {quota}
[heartbeat]
interval = off
[sink d]
type = datadog
url = http://127.0.0.1:1/
"""


def month(tmp_path, kind, quota="20M/month", lines_a_day=20000, seed=1):
    ini = tmp_path / "month.ini"
    ini.write_text(SETTINGS.format(quota=quota))
    done = subprocess.run([BUILD / "tests" / "trace" / "month", ini, str(seed), str(lines_a_day), kind], text=True,
                          capture_output=True, timeout=300)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return json.loads(done.stdout)


def prove(result, demand=True):
    assert result["spent"] <= result["limit"], result
    if demand:
        assert result["spent"] >= 0.9 * result["limit"], result
    assert result["hours_starved"] == 0, result


@pytest.mark.parametrize("kind", ["even", "late"])
def test_a_month_under_a_quota_is_spent_evenly_and_no_error_is_missing(tmp_path, kind):
    result = month(tmp_path, kind)
    prove(result)
    assert result["errors_sent"] == result["errors_said"] > 1000
    fair = result["limit"] / 31
    assert min(result["days"][-10:]) > fair / 2, "it lasts to the end"


def test_a_storm_of_errors_does_not_empty_the_month(tmp_path):
    result = month(tmp_path, "storm")
    prove(result)
    assert result["errors_said"] > 100_000
    assert min(result["days"][-10:]) > result["limit"] / 31 / 2


def test_where_there_is_less_to_send_than_the_quota_allows_all_of_it_is_sent(tmp_path):
    result = month(tmp_path, "even", quota="1G/month", lines_a_day=2000)
    prove(result, demand=False)
    assert result["alerts"] == 0 and result["errors_sent"] == result["errors_said"]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 5))
@pytest.mark.parametrize("kind", ["even", "late", "quiet", "storm"])
@pytest.mark.parametrize("quota", ["5M/month", "60M/month"])
def test_many_months(tmp_path, kind, quota, seed):
    result = month(tmp_path, kind, quota, seed=seed)
    prove(result, demand=kind != "quiet" and quota == "5M/month")


@pytest.mark.long
def test_a_quota_by_the_day_begins_anew_each_day(tmp_path):
    result = month(tmp_path, "even", quota="1M/day")
    assert all(900_000 < day <= 1 << 20 for day in result["days"]), result["days"]
    assert result["hours_starved"] == 0
