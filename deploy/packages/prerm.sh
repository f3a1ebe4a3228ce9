#!/bin/sh
# Before the package is removed: dpkg says "remove", and rpm says that no version will be left. Upgrades keep the service running.
set -e

[ -d /run/systemd/system ] || exit 0
case "$1" in
remove) deb-systemd-invoke stop key-value.service ;;
0) systemctl --no-reload disable --now key-value.service ;;
esac
