#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds each tests/fuzz/fuzz_*.c with libFuzzer and the sanitizers and runs it for FUZZ_SECONDS (30).
#
#   fuzz.sh B
#
# Seeds: tests/fuzz/seeds/NAME/ where there is one. What it finds goes to B/found, and the exit is 1; an input
# that takes 10 s is a find. Leaves "passed failed" in B/results/fuzz, one for each program, as check.sh does.
set -euo pipefail

build=$1
cd "$(dirname "$0")/.."
sanitize=address,undefined
make --no-print-directory -j"$(nproc)" B="$build" CC=clang \
    CFLAGS="-O1 -g -fsanitize=fuzzer-no-link,$sanitize -fno-sanitize-recover=all -fno-omit-frame-pointer" \
    "$build/libagent.a" "$build/libcommon.a"
mkdir -p "$build/found"
# For targets that need files: in RAM, and gone however their process ends.
LB_FUZZ_DIR=$(mktemp -d /dev/shm/logboom-fuzz.XXXXXX)
export LB_FUZZ_DIR
trap 'rm -rf "$LB_FUZZ_DIR"' EXIT
passed=0
failed=0
for source in ${FUZZ:-tests/fuzz/fuzz_*.c}; do
    [ -e "$source" ] || continue
    name=$(basename "$source" .c)
    clang -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. -O1 -g -fsanitize=fuzzer,$sanitize -pthread \
        -fno-sanitize-recover=all -o "$build/$name" "$source" "$build/libagent.a" "$build/libcommon.a" \
        -lcurl -lmosquitto -lssl -lcrypto -lzstd -lz -linih -lpcre2-8 -lsqlite3
    mkdir -p "$build/corpus/$name"
    seeds=()
    [ -d "tests/fuzz/seeds/$name" ] && seeds=("tests/fuzz/seeds/$name")
    echo "== $name"
    if "$build/$name" -max_total_time="${FUZZ_SECONDS:-30}" -timeout=10 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$build/found/$name-" "$build/corpus/$name" "${seeds[@]}"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
mkdir -p "$build/results"
echo "$passed $failed" >"$build/results/fuzz"
echo "fuzz: $passed passed, $failed failed, ${FUZZ_SECONDS:-30} s each"
[ $failed = 0 ]
