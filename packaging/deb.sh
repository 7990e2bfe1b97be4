#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the Debian packages out of tree: copies what it needs to B/deb, and puts logboom*_ARCH.deb in B.
#
#   deb.sh B VERSION [ARCH]     for another architecture in a tree of its own, by cross.sh (root)
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p "$1"
build=$(realpath "$1")
version=$2
arch=${3:-$(dpkg --print-architecture)}
stage=$build/deb/logboom-$version
# The same sources give the same package: its date is that of the last commit, or of the changelog.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH
# The Makefile is run again by the package's rules, with their settings and not with those of this run.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES DESTDIR PREFIX SYSCONFDIR UNITDIR B

rm -rf "$build/deb" "$build"/logboom*_"$arch".deb
mkdir -p "$stage"
cp -a agent common conf packaging Makefile CHANGELOG.md LICENSE README.md "$stage/"
mv "$stage/packaging/debian" "$stage/debian"
{
    echo "logboom ($version) unstable; urgency=medium"
    echo
    awk -v version="$version" '
        /^## / { inside = index($0, "[" version "]") > 0; next }
        inside && /^- / { sub(/^- /, "  * "); print; next }
        inside && NF { sub(/^ */, "    "); print }' CHANGELOG.md | fold -s -w 78 | sed 's/^\([^ ]\)/    \1/; s/ *$//'
    echo
    echo " -- logboom developers <developers@logboom.invalid>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")"
} >"$stage/debian/changelog"

# What the package takes from the sources has their date, not that of the checkout.
find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

package() {
    export DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS:-parallel=$(nproc)}
    if [ "$arch" = "$(dpkg --print-architecture)" ]; then
        cd "$stage" && dpkg-buildpackage -b -us -uc
    else
        packaging/cross.sh "$build" "$arch" "$build/deb" env --chdir="logboom-$version" \
            SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" DEB_BUILD_OPTIONS="$DEB_BUILD_OPTIONS" \
            dpkg-buildpackage -a"$arch" -b -us -uc
    fi
}

if ! (package) >"$build/deb/log" 2>&1; then
    tail -n 40 "$build/deb/log" >&2
    exit 1
fi
mv "$build"/deb/logboom*_"$arch".deb "$build/"
lintian --pedantic --tag-display-limit 0 --allow-root --fail-on error,warning,pedantic "$build"/logboom*_"$arch".deb
ls "$build"/logboom*_"$arch".deb
