#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs parts of the tests of one build and ends with what the runners said.
#
#   check.sh B PART...      PART: unit, kill, ini, e2e, long
#
# A unit test program is cmocka's; exit 77 means "cannot run here", which is a failure where CI is set.
# Each part leaves "passed failed" in B/results/PART, from which .ci/run makes its sum.
# LB_RUN goes before each unit test program (valgrind, setarch -R); ARGS goes to pytest.
set -uo pipefail

build=$1
shift
cd "$(dirname "$0")/.." || exit 1
results=$build/results
mkdir -p "$results"
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

run_ini() {
    if [ ! -e conf/logboom.ini ]; then
        tell ini 0 1 "conf/logboom.ini is missing: make ini"
    elif [ ! -x "$build/logboomd" ]; then
        tell ini 0 1 "$build/logboomd is not built"
    elif diff -u conf/logboom.ini <("$build/logboomd" --help-config); then
        tell ini 1 0 "conf/logboom.ini is as the key table says"
    else
        tell ini 0 1 "conf/logboom.ini is stale: make ini"
    fi
}

# run_pytest PART MARK
run_pytest() {
    local log=$results/$1.log line passed bad rc
    # ARGS is for the command line of make: split on purpose.
    # shellcheck disable=SC2086
    LB_BUILD=$(realpath "$build") LB_BUILD_KP=$(realpath "$build")/kp PYTHONDONTWRITEBYTECODE=1 \
        timeout 1500 /usr/bin/python3 -m pytest -c tests/pytest.ini -m "$2" tests/e2e ${ARGS:-} 2>&1 | tee "$log"
    rc=${PIPESTATUS[0]}
    line=$(grep -E '^=+ .* in [0-9.]+s' "$log" | tail -n 1 | tr -d '=')
    passed=$(grep -oE '[0-9]+ passed' <<<"$line" | cut -d' ' -f1)
    bad=$(grep -oE '[0-9]+ (failed|errors?)' <<<"$line" | awk '{n += $1} END {print n + 0}')
    # 5: nothing was selected. Anything else that is not 0 counts, even when no test is named.
    [ "$rc" = 0 ] || [ "$rc" = 5 ] || [ "$bad" != 0 ] || bad=1
    tell "$1" "${passed:-0}" "$bad" "${line:-no summary, exit $rc}"
}

for part in "$@"; do
    rm -f "$results/$part"
    case $part in
    unit) run_programs unit "$build/tests" ;;
    kill) run_programs kill "$build/kp/kill" ;;
    ini) run_ini ;;
    e2e) run_pytest e2e 'not long' ;;
    long) run_pytest long 'long' ;;
    *)
        echo "check.sh: no part '$part'" >&2
        exit 2
        ;;
    esac
done
printf '%s\n' "${summaries[@]}"
exit $failed
