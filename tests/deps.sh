#!/bin/sh
# Installs the Debian packages named as arguments, those that are missing; says what it does, silent when all is there.
# COMMAND=PACKAGE is there when the command is, wherever it came from.
missing=
for package in "$@"; do
    case $package in
    *=*) command -v "${package%%=*}" >/dev/null || missing="$missing ${package#*=}" ;;
    *) dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package" ;;
    esac
done
[ -z "$missing" ] && exit 0
as=
[ "$(id -u)" = 0 ] || as=sudo
command -v apt-get >/dev/null && { [ -z "$as" ] || command -v sudo >/dev/null; } || {
    echo "cannot install:$missing (Debian's names); install them by hand, or run this as root on Debian" >&2
    exit 1
}
echo "installing:$missing"
wait='-o DPkg::Lock::Timeout=300'
$as apt-get $wait update -qq && DEBIAN_FRONTEND=noninteractive $as apt-get $wait install -y -qq --no-install-recommends $missing >/dev/null
