#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs a command in a Debian of its own, which has the compiler and the libraries for another architecture: here they
# cannot be installed beside those of this machine.
#
#   cross.sh B ARCH DIR COMMAND...      with DIR as /build, which is also where the command starts (root)
#
# The tree (B/cross/ARCH, 700 MB) is made once, in two minutes, and again when debian/control has changed. The command
# sees it read-only, /build and what is temporary apart, and without a network. What is mounted is so for the command alone.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=bookworm
arch=$2
tree=$(realpath -m "$1")/cross/$arch
dir=$(realpath "$3")
shift 3

if [ "$(id -u)" != 0 ]; then
    echo "cross.sh: this needs root" >&2
    exit 1
fi

# Where this machine has its packages from.
mirror() {
    local file
    for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
        [ -e "$file" ] || continue
        awk '$1 == "URIs:" { print $2; exit }
            $1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) { print $i; exit } }' "$file"
        return
    done
    echo "cross.sh: no source of Debian packages" >&2
    exit 1
}

# What the package needs says debian/control; the tests need cmocka as well.
make_tree() {
    local log=$tree.log from
    from=$(mirror)
    echo "making a Debian $suite that builds for $arch: two minutes"
    rm -rf "$tree" "$tree.new"
    mkdir -p "$tree.new"
    # shellcheck disable=SC2016 # $1 is the tree, and for the hook's shell
    if ! mmdebstrap --mode=root --variant=buildd --architectures="$(dpkg --print-architecture),$arch" \
        --include="libcmocka-dev:$arch" --customize-hook='mkdir -p "$1/build/debian"' \
        --customize-hook="copy-in packaging/debian/control /build/debian" \
        --customize-hook="chroot \"\$1\" sh -c 'cd /build &&
            apt-get -qq build-dep -y --no-install-recommends --host-architecture=$arch ./'" \
        --customize-hook='mv "$1/build/debian/control" "$1/etc/made-for"' \
        "$suite" "$tree.new" "deb $from $suite main" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -rf "$tree.new"
        exit 1
    fi
    mv "$tree.new" "$tree"
}

cmp -s packaging/debian/control "$tree/etc/made-for" || make_tree

# shellcheck disable=SC2016 # for the shell in the namespace
exec unshare --mount --net --ipc --uts --pid --fork --kill-child bash -euc '
    tree=$1 dir=$2
    shift 2
    ip link set lo up
    mount --bind "$tree" "$tree"
    mount -o remount,bind,ro "$tree"
    mount -t proc proc "$tree/proc"
    mount -t sysfs -o ro sysfs "$tree/sys"
    mount --rbind /dev "$tree/dev"
    for point in dev/shm run tmp var/tmp; do mount -t tmpfs -o mode=1777 tmpfs "$tree/$point"; done
    mount --bind "$dir" "$tree/build"
    exec chroot "$tree" sh -euc "cd /build; exec \"\$@\"" sh "$@"' bash "$tree" "$dir" \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 "$@"
