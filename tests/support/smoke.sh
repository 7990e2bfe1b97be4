#!/bin/bash
# SPDX-License-Identifier: MIT
# A line's way through a build of another architecture, with nothing but a shell: from clients through the agent to a
# file, and how a reader in another process sees what waits. Prints "held: " or "FAILED: " and what was claimed.
#
#   smoke.sh B
#
# LB_RUN goes before each program of ours (qemu-arm-static). B/logboom-static is tried where it is there.
# What is claimed is a function, or a command.
# shellcheck disable=SC2317
set -uo pipefail

build=$(realpath "$1")
failed=0
fed=0
# LB_RUN is a command with its options: split on purpose.
read -ra run <<<"${LB_RUN:-}"
dir=$(mktemp -d /dev/shm/logboom-smoke.XXXXXX)
agent=
cleanup() {
    [ -z "$agent" ] || kill "$agent" 2>/dev/null
    wait
    rm -rf "$dir"
}
trap cleanup EXIT
export LOGBOOM_RUNTIME_DIR=$dir/run

# The client starts the agent's program by itself, from beside it: by way of LB_RUN as well.
mkdir "$dir/bin"
cp "$build/logboom" "$dir/bin/"
printf '#!/bin/sh\nexec %s "$@"\n' "${run[*]} $build/logboomd" >"$dir/bin/logboomd"
chmod +x "$dir/bin/logboomd"

logboom() {
    timeout 60 "${run[@]}" "$dir/bin/logboom" "$@"
}

# claim TEXT COMMAND...
claim() {
    local text=$1
    shift
    if "$@" >"$dir/said" 2>&1; then
        echo "held: $text"
    else
        sed 's/^/  /' "$dir/said" "$dir/log" 2>/dev/null | tail -n 20
        echo "FAILED: $text"
        failed=1
    fi
}

answers() {
    for _ in {1..300}; do
        ! logboom status >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    return 1
}

# lines_are FIRST LAST NAME: in the sink's file, each once
lines_are() {
    diff <(seq -f "line %g of $3" "$1" "$2" | sort) <(grep -o "line [0-9]* of $3" "$dir/lines.ndjson" | sort)
}

feed() {
    local name=$1
    shift
    fed=$((fed + 1000))
    seq -f "line %g of $name" 1000 | timeout 60 "$@" pipe -s "$name" >/dev/null
}

# Bodies wait, so that there is something to look at before the first one is delivered.
cat >"$dir/logboom.ini" <<INI
[agent]
hostname = smoke
runtime_dir = $LOGBOOM_RUNTIME_DIR
[spool]
enabled = no
[throttle]
rate = off
pattern_rate = off
collapse = off
[sink local]
type = file
path = $dir/lines.ndjson
wait = 10m
INI

claim "the configuration is good" "$dir/bin/logboomd" -t -c "$dir/logboom.ini"
"$dir/bin/logboomd" -c "$dir/logboom.ini" 2>"$dir/log" &
agent=$!
claim "the agent answers" answers
claim "a client takes 1000 lines" feed dynamic "${run[@]}" "$dir/bin/logboom"
tail_has() {
    logboom tail -n 2000 | grep -c 'of dynamic' | grep -qx 1000
}
claim "a reader sees all of them wait" tail_has
claim "all is delivered when asked for" logboom flush -w 30s
claim "each line came once" lines_are 1 1000 dynamic
if [ -x "$build/logboom-static" ]; then
    claim "the static client takes 1000 lines" feed static "${run[@]}" "$build/logboom-static"
    claim "all is delivered when asked for" logboom flush -w 30s
    claim "each line came once" lines_are 1 1000 static
fi
books_tell() {
    logboom status --json | grep -q "\"all\":{\"in\":{\"lines\":$fed,.*\"delivered\":{\"lines\":$fed,"
}
claim "the books tell the same" books_tell
stops() {
    kill "$agent" && wait "$agent"
}
claim "the agent stops, and ends with 0" stops
agent=
exit $failed
