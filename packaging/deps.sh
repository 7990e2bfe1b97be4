#!/bin/bash
# SPDX-License-Identifier: MIT
# Debian packages that building and testing need, by purpose.
#
#   deps.sh GROUP...             install what is missing, quietly when nothing is (root or sudo)
#   deps.sh --missing GROUP...   only name what is missing; exit 1 when something is
#   deps.sh --unpack DIR GROUP   download and unpack it below DIR instead; needs no root and starts nothing
#   deps.sh --headers CC         ask the compiler for the headers of the build; works without dpkg and
#                                for cross builds, so this is what plain `make` uses
set -euo pipefail

group() {
    case $1 in
    build) echo gcc make pkg-config libcurl4-openssl-dev libzstd-dev zlib1g-dev libinih-dev libxxhash-dev libpcre2-dev \
        libsqlite3-dev libmosquitto-dev libssl-dev ;;
    check) echo libcmocka-dev python3-minimal python3 python3-pytest python3-pytest-xdist python3-zstandard protobuf-compiler python3-protobuf openssl valgrind \
        e2fsprogs util-linux qemu-system-common fuse3 curl iproute2 nginx strace \
        tmux chromium musl-tools systemd prometheus gunicorn uvicorn python3-flask python3-django python3-celery python3-loguru python3-structlog \
        python3-jsonschema rsyslog rsyslog-openssl mosquitto mosquitto-clients python3-paho-mqtt ;;
    # What cannot be installed beside the rest: syslog-ng beside rsyslog. With the libraries that `check` does not bring.
    apart) echo syslog-ng-core libivykis0 libjson-c5 libnet1 libpcre3 libwrap0 ;;
    long) command -v npm >/dev/null || echo npm ;; # which may have come from elsewhere
    wear) echo rsyslog systemd ;;
    demo) echo python3 python3-zstandard ;;
    lint) echo clang clang-format clang-tidy shellcheck mandoc libclang-rt-14-dev ;;
    deb) echo debhelper dpkg-dev fakeroot lintian python3 musl-dev ;;
    cross) echo mmdebstrap qemu-user-static iproute2 util-linux ;;
    image) echo mmdebstrap systemd-container ;;
    *)
        echo "deps.sh: no group '$1' (build check apart long wear demo lint deb cross image)" >&2
        exit 2
        ;;
    esac
}

missing_packages() {
    local name
    for name in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
    done
}

# Prints the packages whose headers the compiler does not find.
missing_headers() {
    local cc=$1 row
    for row in curl/curl.h:libcurl4-openssl-dev zstd.h:libzstd-dev zlib.h:zlib1g-dev ini.h:libinih-dev \
        xxhash.h:libxxhash-dev pcre2.h:libpcre2-dev sqlite3.h:libsqlite3-dev \
        mosquitto.h:libmosquitto-dev openssl/ssl.h:libssl-dev; do
        # $cc may carry options ("gcc -m32"), so it is split on purpose.
        # shellcheck disable=SC2086
        echo "#include <${row%%:*}>" | $cc ${CPPFLAGS:-} -DPCRE2_CODE_UNIT_WIDTH=8 -E -x c -o /dev/null - 2>/dev/null || echo "${row##*:}"
    done
}

sudo=()
policy=/usr/sbin/policy-rc.d

install_packages() {
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || {
            echo "deps.sh: to install $* this needs root or sudo" >&2
            exit 1
        }
        sudo=(sudo)
    fi
    echo "installing: $*"
    local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    # What a test needs as a program is not to be started as a service (nginx would take port 80).
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" install -m 755 /dev/stdin "$policy"
        trap '"${sudo[@]}" rm -f "$policy"' EXIT
    fi
    # A source that has nothing to do with us may be out of reach; whether ours is, the install tells.
    "${apt[@]}" update || true
    "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null
}

# fetch DIR NAME...: as whoever this is, who may be the only one that can write there
fetch() {
    (cd "$1" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "${@:2}" >/dev/null)
}

# unpack_packages DIR NAME...: where the same ones lie already, nothing is done.
unpack_packages() {
    local dir=$1 archives
    shift
    [ "$(cat "$dir/packages" 2>/dev/null)" != "$*" ] || return 0
    echo "unpacking below $dir: $*"
    rm -rf "$dir"
    mkdir -p "$dir"
    archives=$(mktemp -d "$dir/archives.XXXXXX")
    if ! fetch "$archives" "$@" 2>/dev/null; then
        apt-get -qq update || true # the lists may name what the archive no longer has
        fetch "$archives" "$@"
    fi
    for archive in "$archives"/*.deb; do
        dpkg -x "$archive" "$dir"
    done
    rm -r "$archives"
    echo "$*" >"$dir/packages"
}

mode=install
case ${1:-} in
--unpack)
    list=$(group "$3")
    read -ra names <<<"$list"
    unpack_packages "$2" "${names[@]}"
    exit
    ;;
--missing)
    mode=missing
    shift
    ;;
--headers)
    cc=${2:-gcc}
    mapfile -t names < <(missing_headers "$cc")
    if ! command -v "${cc%% *}" >/dev/null; then
        echo "no compiler: $cc" >&2
        names=(gcc "${names[@]}")
    fi
    [ ${#names[@]} = 0 ] && exit 0
    echo "missing Debian packages: ${names[*]}" >&2
    echo "\`make deps\` installs them (root or sudo)." >&2
    exit 1
    ;;
esac

wanted=()
for name in "$@"; do
    list=$(group "$name")
    read -ra names <<<"$list"
    wanted+=("${names[@]}")
done
mapfile -t names < <(missing_packages "${wanted[@]}")
[ ${#names[@]} = 0 ] && exit 0
if [ $mode = missing ]; then
    echo "missing Debian packages: ${names[*]} (\`make deps\` installs them)" >&2
    exit 1
fi
install_packages "${names[@]}"
