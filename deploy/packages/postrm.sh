#!/bin/sh
# After the package is removed. Configuration, API keys and data stay, until dpkg says "purge".
set -e

if [ "$1" = purge ]; then
    rm -rf /etc/key-value /var/lib/private/key-value
    rm -f /var/lib/key-value
    if getent group key-value-config >/dev/null; then groupdel key-value-config; fi
    if command -v deb-systemd-helper >/dev/null; then deb-systemd-helper purge key-value.service >/dev/null; fi
fi
if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
