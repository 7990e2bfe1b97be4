#!/bin/bash
# SPDX-License-Identifier: MIT
# make demo: an agent, an intake on loopback, and a Python service that logs into them for ten seconds.
#
#   demo.sh B
#
# Everything it makes lies in one directory on tmpfs, which is gone at the end, and so are the processes.
set -euo pipefail

build=$(realpath "$1")
cd "$(dirname "$0")/../.."
seconds=${DEMO_SECONDS:-8}
rate=${DEMO_RATE:-150}
python=/usr/bin/python3
pids=()

base=/dev/shm
[ -w $base ] || base=/run
dir=$(mktemp -d $base/logboom-demo.XXXXXX)
cleanup() {
    local pid
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail() {
    echo "demo: $1" >&2
    [ ! -s "$dir/logboomd.log" ] || sed 's/^/  /' "$dir/logboomd.log" >&2
    exit 1
}

# poll SECONDS COMMAND...: until it succeeds.
poll() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

summary() {
    "$python" tests/support/demo_summary.py "$@"
}

export LOGBOOM_RUNTIME_DIR=$dir/run
printf '0123456789abcdef0123456789abcdef\n' >"$dir/api_key"
chmod 600 "$dir/api_key"

mkfifo "$dir/port"
"$python" tests/support/intake.py --print-port --dump "$dir/entries" >"$dir/port" 2>"$dir/intake.log" &
pids+=($!)
read -r port <"$dir/port" || fail "the intake did not start: $(cat "$dir/intake.log")"

cat >"$dir/logboom.ini" <<INI
[agent]
hostname = demo-pi
tags = env:demo
runtime_dir = $LOGBOOM_RUNTIME_DIR

[spool]
enabled = no

[sink datadog]
type = datadog
url = http://127.0.0.1:$port/api/v2/logs
api_key_file = $dir/api_key
wait = 2s
INI

"$build/logboomd" -c "$dir/logboom.ini" 2>"$dir/logboomd.log" &
agent=$!
pids+=("$agent")
answers() {
    kill -0 "$agent" 2>/dev/null || fail "logboomd ended"
    "$build/logboom" status --json >/dev/null 2>&1
}
poll 10 answers || fail "logboomd does not answer"

echo "An intake like Datadog's listens on 127.0.0.1:$port, logboomd runs in $dir."
echo "Two services write for $seconds seconds:"
echo "  logboom run -s sensors -- python3 demo_service.py"
echo "  python3 demo_service.py 2>&1 | logboom pipe -s weather"
echo

"$build/logboom" run -s sensors -- "$python" tests/support/demo_service.py sensors "$seconds" "$rate" &
runner=$!
pids+=("$runner")
"$python" tests/support/demo_service.py weather "$seconds" "$rate" 2>&1 | "$build/logboom" pipe -s weather &
piper=$!
pids+=("$piper")

# What the clients write to disk is counted while they live.
: >"$dir/client_io"
note_io() {
    local pid
    for pid in "$runner" "$piper"; do
        sed "s/^/$pid /" "/proc/$pid/io" 2>/dev/null || true
    done >"$dir/client_io.new"
    if [ -s "$dir/client_io.new" ]; then mv "$dir/client_io.new" "$dir/client_io"; fi
}
pause=2
[ ! -t 1 ] || pause=0.5
while kill -0 "$runner" 2>/dev/null || kill -0 "$piper" 2>/dev/null; do
    note_io
    summary progress <("$build/logboom" status --json 2>/dev/null) "http://127.0.0.1:$port/_stats"
    sleep "$pause"
done
rc=0
wait "$runner" || rc=$?
wait "$piper" || rc=$?
[ $rc = 0 ] || fail "a client ended with $rc"

"$build/logboom" flush -w 10s >/dev/null || fail "not all was delivered in 10 s"
"$build/logboom" status --json >"$dir/status"
cat "/proc/$agent/io" >"$dir/agent_io" 2>/dev/null || true
summary final "$dir/status" "http://127.0.0.1:$port/_stats" "$dir/agent_io" "$dir/client_io" "$dir/entries"
