#!/bin/bash
# SPDX-License-Identifier: MIT
# Which share of the lines of agent/ and common/ the tests reach, by file, with gcc's own gcov.
#
#   cover.sh B
#
# What a killed process had counted is lost, so the figures are a lower bound.
set -euo pipefail

build=$1
cd "$(dirname "$0")/.."
make --no-print-directory -j"$(nproc)" B="$build" CFLAGS="-O0 -g --coverage" check-build apart
find "$build" -name '*.gcda' -delete
failed=0
tests/check.sh "$build" unit e2e || failed=1
find "$build/obj/agent" "$build/obj/common" -name '*.gcda' -exec gcov -n {} + 2>/dev/null |
    awk -F"[':% ]+" '
        /^File/ { file = $2 }
        /^Lines executed/ && file ~ /^(agent|common)\/.*\.c$/ {
            printf "%6.1f %% of %5d  %s\n", $3, $5, file | "sort -k5"
            hit += $3 * $5 / 100; all += $5; file = ""
        }
        END { close("sort -k5"); if (all) printf "%6.1f %% of %5d  all\n", 100 * hit / all, all }'
exit $failed
