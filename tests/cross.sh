#!/bin/bash
# SPDX-License-Identifier: MIT
# The unit tests, the files that come from the key table and a line's way (support/smoke.sh), built for another
# architecture and run under qemu-user, in the Debian that packaging/cross.sh makes for it.
#
#   cross.sh B ARCH
#
# Nothing is left out: what qemu-user did not do as a kernel does would be named here, test by test.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p "$1/cross"
build=$(realpath "$1")
arch=$2
work=$build/cross/$arch.check
triplet=$(dpkg-architecture -a "$arch" -q DEB_HOST_GNU_TYPE 2>/dev/null)
qemu=qemu-$(dpkg-architecture -a "$arch" -q DEB_HOST_GNU_CPU 2>/dev/null)-static
# The least machine that the architecture is for, so that an instruction beyond it is a fault.
declare -A least=([arm64]=cortex-a53 [armhf]=cortex-a7 [armel]=arm926)

mkdir -p "$work/logboom"
cp -a agent common conf packaging tests Makefile CHANGELOG.md "$work/logboom/"
[ ! -d ../shared/data ] || { mkdir -p "$work/shared" && cp -a ../shared/data "$work/shared/"; }
cp "$(command -v "$qemu")" "$work/qemu"

# shellcheck disable=SC2016 # for the shell in the tree
packaging/cross.sh "$build" "$arch" "$work" env CI="${CI:-}" LB_RUN="/build/qemu -cpu ${least[$arch]:-max}" bash -euc '
    cd logboom
    make=(make --no-print-directory -j"$(nproc)" CC="$1-gcc" AR="$1-ar")
    "${make[@]}" B=/build/out all unit
    for specs in /usr/lib/*-linux-musl*/musl-gcc.specs; do
        [ ! -e "$specs" ] || "${make[@]}" B=/build/out STATIC_CC="$1-gcc -specs=$specs" static
    done
    exec tests/check.sh /build/out unit ini smoke' bash "$triplet"
