#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs parts of the tests of one build and ends with what the runners said.
#
#   check.sh B PART...      PART: unit, kill, ini, fleet, ga, e2e, long, image, tsan, smoke
#
# e2e and long are those of tests/e2e, tests/fault and tests/trace together.
# A unit test program is cmocka's; exit 77 means "cannot run here", which is a failure where CI is set.
# Each part leaves "passed failed" in B/results/PART, from which .ci/run makes its sum.
# LB_RUN goes before each program of unit, ini and smoke, and before pytest (valgrind, setarch -R, qemu-arm-static);
# ARGS goes to pytest (-n 0: one test at a time). MARK='not long' leaves the long ones of image out.
set -uo pipefail

build=$1
shift
cd "$(dirname "$0")/.." || exit 1
results=$build/results
mkdir -p "$results"
jobs=$(($(nproc) + 1)) # end-to-end tests at a time: most of them wait most of the time
failed=0
summaries=()

# Adds one runner's verdict: part passed failed text.
tell() {
    echo "$2 $3" >"$results/$1"
    summaries+=("$1: $4")
    [ "$3" = 0 ] || failed=1
}

count() {
    grep -c "$1" "$2" || true
}

# run_programs PART FOLDER: tests/PART/test_*.c, built in FOLDER
run_programs() {
    local passed=0 bad=0 programs=0 source name log rc
    for source in tests/"$1"/test_*.c; do
        [ -e "$source" ] || continue
        name=$(basename "$source" .c)
        log=$results/$name.log
        programs=$((programs + 1))
        # LB_RUN is a command with its options: split on purpose.
        # shellcheck disable=SC2086
        timeout 600 ${LB_RUN:-} "$2/$name" >"$log" 2>&1
        rc=$?
        local ok nok
        ok=$(count '^\[       OK \]' "$log")
        nok=$(count '^\[  FAILED  \] [^0-9]' "$log")
        if [ $rc = 77 ] && [ -z "${CI:-}" ]; then
            echo "$name: cannot run here: $(tail -n 1 "$log")"
        elif [ $rc != 0 ]; then
            cat "$log"
            echo "$name: exit $rc"
            # cmocka names a failed test twice; a crash names none.
            nok=$(((nok + 1) / 2))
            [ "$nok" -gt 0 ] || nok=1
            bad=$((bad + nok))
        else
            printf '%-28s %s\n' "$name" "$(grep '^\[  PASSED  \]' "$log" | tail -n 1)"
        fi
        passed=$((passed + ok))
    done
    tell "$1" $passed $bad "$passed passed, $bad failed in $programs programs"
}

# What is printed from the key table and kept in the tree as well.
run_ini() {
    local fresh=0 stale=0 option file run
    read -ra run <<<"${LB_RUN:-}"
    while read -r option file; do
        if [ ! -x "$build/logboomd" ]; then
            echo "$build/logboomd is not built"
            stale=$((stale + 1))
        elif diff -uN "$file" <("${run[@]}" "$build/logboomd" "$option"); then
            fresh=$((fresh + 1))
        else
            echo "$file is stale: make ini"
            stale=$((stale + 1))
        fi
    done <<'END'
--help-config conf/logboom.ini
--help-man packaging/man/logboom.ini.5
END
    tell ini $fresh $stale "$fresh files are as the key table says, $stale are stale"
}

# Virtual time, and the same figures each time: what fails here fails everywhere. The ceiling is for a run that
# never ends.
run_fleet() {
    local log=$results/fleet.log failures
    timeout 60 "$build/tests/fleet/fleet" -n 2000 check >"$log" 2>&1
    local rc=$?
    cat "$log"
    failures=$(count '^FAILED: ' "$log")
    [ $rc = 0 ] || [ "$failures" != 0 ] || failures=1
    tell fleet "$(count '^held: ' "$log")" "$failures" "$(count '^held: ' "$log") claims hold, $failures do not"
}

run_smoke() {
    local log=$results/smoke.log held failures
    tests/support/smoke.sh "$build" >"$log" 2>&1
    local rc=$?
    cat "$log"
    held=$(count '^held: ' "$log")
    failures=$(count '^FAILED: ' "$log")
    [ $rc = 0 ] || [ "$failures" != 0 ] || failures=1
    tell smoke "$held" "$failures" "$held claims hold, $failures do not"
}

# How well patterns tell lines apart, on log sets that are not ours to keep here.
run_ga() {
    if [ ! -d ../shared/data/logs ] && [ -z "${CI:-}" ]; then
        tell ga 0 0 "cannot run here: no ../shared/data/logs"
    elif "$build/tests/ga/ga" ../shared/data/logs; then
        tell ga 1 0 "grouping accuracy is what was promised"
    else
        tell ga 0 1 "grouping accuracy is below what was promised: make ga ARGS='-v SET'"
    fi
}

# run_pytest PART JOBS MARK [FILE...]: so many tests at a time, 0: one, in this process
run_pytest() {
    local part=$1 jobs=$2 mark=$3 log=$results/$1.log line passed bad rc
    shift 3
    [ $# -gt 0 ] || set -- tests/e2e tests/fault tests/trace
    # ARGS is for the command line of make: split on purpose.
    # shellcheck disable=SC2086
    LB_BUILD=$(realpath "$build") LB_BUILD_KP=$(realpath "$build")/kp PYTHONDONTWRITEBYTECODE=1 \
        timeout 1800 ${LB_RUN:-} /usr/bin/python3 -m pytest -c tests/pytest.ini -n "$jobs" -m "$mark" "$@" \
        ${ARGS:-} 2>&1 | tee "$log"
    rc=${PIPESTATUS[0]}
    line=$(grep -E '^=+ .* in [0-9.]+s' "$log" | tail -n 1 | tr -d '=')
    passed=$(grep -oE '[0-9]+ passed' <<<"$line" | cut -d' ' -f1)
    bad=$(grep -oE '[0-9]+ (failed|errors?)' <<<"$line" | awk '{n += $1} END {print n + 0}')
    # 5: nothing was selected. Anything else that is not 0 counts, even when no test is named.
    [ "$rc" = 0 ] || [ "$rc" = 5 ] || [ "$bad" != 0 ] || bad=1
    tell "$part" "${passed:-0}" "$bad" "${line:-no summary, exit $rc}"
}

# Both sides of live agents under ThreadSanitizer, by the tests that keep both busy. Whatever one of the programs
# reports is a failure, also where no test failed by it. A canary shows first that a race would be seen.
# Not the kill points: the programs that have them are built without the sanitizer. Not the sleep of an agent that
# has nothing to do: the sanitizer has a thread of its own that wakes up.
run_tsan() {
    local reports=$results/reports found
    rm -rf "$reports"
    mkdir -p "$reports"
    reports=$(realpath "$reports")
    TSAN_OPTIONS="log_path=$reports/canary" ${LB_RUN:-} "$build/tests/support/tsan_canary" >"$results/canary.log" 2>&1
    if ! grep -qs 'data race' "$reports"/canary.*; then
        cat "$results/canary.log"
        tell tsan 0 1 "the sanitizer does not see a race where there is one"
        return
    fi
    rm -f "$reports"/canary.*
    TSAN_OPTIONS="halt_on_error=0 exitcode=66 log_path=$reports/race" ARGS="${ARGS:-} -k not(kill_point)and(not(nothing_to_do))and(not(hangs_costs))and(not(last_words))and(not(on_a_board))" \
        run_pytest tsan "$(nproc)" 'not long' tests/e2e/test_both_sides.py tests/e2e/test_cli_agent.py tests/e2e/test_overload.py \
        tests/e2e/test_rest.py tests/e2e/test_stop_reload.py tests/e2e/test_wear.py tests/fault/test_killed.py tests/fault/test_refused.py
    found=$(find "$reports" -type f | wc -l)
    [ "$found" = 0 ] && return
    cat "$reports"/*
    read -r passed bad <"$results/tsan"
    tell tsan "$passed" $((bad + found)) "$found programs have reported races: $reports"
}

for part in "$@"; do
    rm -f "$results/$part"
    case $part in
    unit) run_programs unit "$build/tests" ;;
    kill) run_programs kill "$build/kp/kill" ;;
    ini) run_ini ;;
    smoke) run_smoke ;;
    fleet) run_fleet ;;
    ga) run_ga ;;
    e2e) run_pytest e2e $jobs 'not long' ;;
    long) run_pytest long 0 'long' ;;
    image) run_pytest image $jobs "${MARK:-long or not long}" tests/image -o faulthandler_timeout=0 ;;
    tsan) run_tsan ;;
    *)
        echo "check.sh: no part '$part'" >&2
        exit 2
        ;;
    esac
done
printf '%s\n' "${summaries[@]}"
exit $failed
