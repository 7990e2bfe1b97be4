#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds each tests/fuzz/fuzz_*.c with libFuzzer and the sanitizers and runs it for FUZZ_SECONDS (30).
#
#   fuzz.sh B
#
# Seeds: tests/fuzz/seeds/NAME/ where there is one. What it finds goes to B/found, and the exit is 1.
set -euo pipefail

build=$1
cd "$(dirname "$0")/.."
sanitize=address,undefined
make --no-print-directory -j"$(nproc)" B="$build" CC=clang \
    CFLAGS="-O1 -g -fsanitize=fuzzer-no-link,$sanitize -fno-sanitize-recover=all -fno-omit-frame-pointer" \
    "$build/libagent.a" "$build/libcommon.a"
mkdir -p "$build/found"
failed=0
for source in tests/fuzz/fuzz_*.c; do
    [ -e "$source" ] || continue
    name=$(basename "$source" .c)
    clang -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. -O1 -g -fsanitize=fuzzer,$sanitize -pthread \
        -fno-sanitize-recover=all -o "$build/$name" "$source" "$build/libagent.a" "$build/libcommon.a" \
        -lcurl -lzstd -lz -linih
    mkdir -p "$build/corpus/$name"
    seeds=()
    [ -d "tests/fuzz/seeds/$name" ] && seeds=("tests/fuzz/seeds/$name")
    echo "== $name"
    "$build/$name" -max_total_time="${FUZZ_SECONDS:-30}" -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$build/found/$name-" "$build/corpus/$name" "${seeds[@]}" || failed=1
done
exit $failed
