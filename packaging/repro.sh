#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the Debian packages twice and compares them byte for byte: the second time from a copy of the sources, in
# another directory, on another day, with other dates and modes of files, umask, locale, time zone, user and number of
# jobs. Exit 1 where they differ; then it tells which files of which package do, and how their lists differ.
#
#   repro.sh B VERSION
#
# B/tests/support/fakeclock.so is the clock of the other day.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p "$1"
build=$(realpath "$1")
version=$2
first=$build/repro/first
second=$build/repro/at/another/place
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH
unset DEB_BUILD_OPTIONS LC_CTYPE LC_COLLATE

rm -rf "$build/repro"
mkdir -p "$first" "$second/sources"

build_first() {
    export LC_ALL=C.UTF-8 TZ=UTC
    umask 022
    packaging/deb.sh "$first" "$version"
}

build_second() {
    local days=41 other_user=()
    export LC_ALL=C TZ=Asia/Kolkata DEB_BUILD_OPTIONS=parallel=3
    umask 077
    cp -r agent common conf packaging Makefile CHANGELOG.md LICENSE README.md "$second/sources/"
    python3 -c "import struct, sys; sys.stdout.buffer.write(struct.pack('<qqq', $days * 86400 * 10**9, 0, 1))" \
        >"$second/clock"
    if unshare --user --map-user=4321 --map-group=4321 true 2>/dev/null; then
        other_user=(unshare --user --map-user=4321 --map-group=4321)
    else
        echo "repro.sh: no namespaces of users here: both times by the same user" >&2
    fi
    LD_PRELOAD=$build/tests/support/fakeclock.so LB_FAKECLOCK=$second/clock \
        "${other_user[@]}" "$second/sources/packaging/deb.sh" "$second/build" "$version"
}

# unpack PACKAGE FOLDER: its files, and a list of them as dpkg would see it
unpack() {
    local part
    for part in ctrl fsys; do
        mkdir -p "$2/$part"
        dpkg-deb --"$part"-tarfile "$1" | tee >(tar -tv --full-time -f - >"$2/$part.list") | tar -xf - -C "$2/$part"
    done
}

tell_difference() {
    local name=$1
    (cd "$build/repro" && unpack "$first/$name" "one/$name" && unpack "$second/build/$name" "two/$name" &&
        diff -r -U 0 "one/$name" "two/$name" | head -n 40) || true
}

# What was said is told only where a build failed.
trap '[ $? = 0 ] || cat "$build/repro/log" >&2' EXIT
build_first >"$build/repro/log" 2>&1
build_second >"$build/repro/log" 2>&1
trap - EXIT
differ=0
for package in "$first"/logboom*.deb; do
    name=$(basename "$package")
    if cmp -s "$package" "$second/build/$name"; then
        echo "identical: $name $(sha256sum <"$package" | cut -c 1-64)"
    else
        echo "differs: $name"
        tell_difference "$name"
        differ=1
    fi
done
exit $differ
