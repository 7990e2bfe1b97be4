#!/bin/bash
# SPDX-License-Identifier: MIT
# make install, make uninstall: where each file goes. DESTDIR PREFIX SYSCONFDIR UNITDIR come from the Makefile.
#
#   install.sh B | --remove
set -euo pipefail
cd "$(dirname "$0")/.."

: "${PREFIX:?}" "${SYSCONFDIR:?}" "${UNITDIR:?}"
prefix=${DESTDIR:-}$PREFIX
conf=${DESTDIR:-}$SYSCONFDIR/logboom/logboom.ini
unit=${DESTDIR:-}$UNITDIR/logboomd.service
socket=${DESTDIR:-}$UNITDIR/logboom-syslog.socket
completion=$prefix/share/bash-completion/completions/logboom

manuals() {
    local page
    for page in packaging/man/*.[158]; do
        [ ! -e "$page" ] || echo "$page $prefix/share/man/man${page##*.}/$(basename "$page")"
    done
}

if [ "$1" = --remove ]; then
    rm -f "$prefix/sbin/logboomd" "$prefix/bin/logboom" "$unit" "$socket" "$prefix/lib/sysusers.d/logboom.conf" \
        "$completion"
    rm -rf "$prefix/share/logboom" "$prefix/share/doc/logboom"
    rm -rf "$prefix/lib/logboom/python" # with what Python has compiled there
    rmdir --ignore-fail-on-non-empty "$prefix/lib/logboom" 2>/dev/null || true
    manuals | while read -r _ to; do rm -f "$to"; done
    exit
fi

install -D -m 755 "$1/logboomd" "$prefix/sbin/logboomd"
install -D -m 755 "$1/logboom" "$prefix/bin/logboom"
install -D -m 644 "$1/python/sitecustomize.py" "$prefix/lib/logboom/python/sitecustomize.py"
install -d "$(dirname "$conf")/conf.d"
[ -e "$conf" ] || install -D -m 644 conf/logboom.ini "$conf"
install -d "$(dirname "$unit")"
sed "s|/usr/sbin/|$PREFIX/sbin/|; s|/etc/logboom/|$SYSCONFDIR/logboom/|" packaging/systemd/logboomd.service >"$unit"
chmod 644 "$unit"
install -m 644 packaging/systemd/logboom-syslog.socket "$socket"
install -D -m 644 packaging/systemd/wear-full.conf "$prefix/share/logboom/wear-full.conf"
install -D -m 644 conf/journald-forward.conf "$prefix/share/logboom/journald-forward.conf"
install -d "$prefix/share/doc/logboom/examples"
install -m 644 conf/examples/* "$prefix/share/doc/logboom/examples/"
install -D -m 644 packaging/systemd/logboom.sysusers "$prefix/lib/sysusers.d/logboom.conf"
manuals | while read -r from to; do install -D -m 644 "$from" "$to"; done
install -D -m 644 packaging/completion/logboom "$completion"
# What the package is made of, where `make sbom` has told it of these very programs.
if [ "$1/logboom.cdx.json" -nt "$1/logboomd" ] && [ "$1/logboom.cdx.json" -nt "$1/logboom" ]; then
    install -D -m 644 "$1/logboom.cdx.json" "$prefix/share/doc/logboom/logboom.cdx.json"
fi
