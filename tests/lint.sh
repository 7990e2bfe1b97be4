#!/bin/bash
# SPDX-License-Identifier: MIT
# Everything that can be said about the sources without running them. Prints file:line: text.
#
#   lint.sh B
# Each check is a function that step() runs.
# shellcheck disable=SC2317
set -uo pipefail

build=$1
cd "$(dirname "$0")/.." || exit 1
failed=0
jobs=$(nproc)

step() {
    local name=$1
    shift
    if "$@"; then
        printf '  %-34s ok\n' "$name"
    else
        printf '  %-34s FAILED\n' "$name"
        failed=1
    fi
}

files() {
    git ls-files -co --exclude-standard -- "$@" 2>/dev/null | while read -r file; do
        [ ! -e "$file" ] || echo "$file"
    done
}

compiles() {
    make --no-print-directory -k -j"$jobs" CC="$1" B="$build/lint-$1" check-build >"$build/lint-$1.log" 2>&1 || {
        grep -vE '^  [A-Z]+ ' "$build/lint-$1.log"
        return 1
    }
}

formatted() {
    local said
    said=$(files '*.c' '*.h' | xargs -r clang-format --dry-run -Werror 2>&1 |
        sed -n 's/^\([^ ]*:[0-9]*\):[0-9]*: error: .*/\1: make fmt would change this line/p' |
        sort -u -t: -k1,1 -k2,2n)
    [ -z "$said" ] || {
        echo "$said"
        return 1
    }
}

tidy() {
    # Headers are seen through the sources that include them. Not the unit tests: the analyzer does not know that a
    # failed cmocka assertion never returns.
    files '*.c' ':!tests/fuzz' ':!tests/unit' ':!tests/kill' | xargs -r -n 4 -P "$jobs" sh -c 'clang-tidy --quiet "$@" -- \
        -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. -DLB_VERSION=\"0\" 2>/dev/null' clang-tidy
}

scripts() {
    files '*.sh' .ci/run packaging/debian/ | xargs -r awk 'FNR == 1 && /^#!.*sh/ { print FILENAME } { nextfile }' |
        xargs -r shellcheck -x packaging/completion/logboom
}

manuals() {
    files 'packaging/man/' | xargs -r mandoc -T lint -W warning
}

mkdir -p "$build"
step 'compiles with gcc, no warning' compiles gcc
step 'compiles with clang, no warning' compiles clang
step 'clang-format' formatted
step 'clang-tidy' tidy
step 'rooms, contracts, sizes, licence' tests/lint_tree.py
step 'no stale generated file' tests/check.sh "$build/lint-gcc" ini
step 'shellcheck' scripts
step 'manuals' manuals
exit $failed
