#!/bin/sh
# Installs the Debian packages named as arguments, those that are missing; says what it does, silent when all is there.
missing=
for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
as=
[ "$(id -u)" = 0 ] || as=sudo
echo "installing:$missing"
$as apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as apt-get install -y -qq --no-install-recommends $missing >/dev/null
