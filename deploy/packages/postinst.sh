#!/bin/sh
# After an installation or upgrade. dpkg says "configure" and the version that was configured before, if there was one. rpm says
# how many versions are installed now.
set -e

case "$1" in
configure) before=$2 ;;
1) before= ;;
2) before=yes ;;
*) exit 0 ;; # dpkg gives up an upgrade or a removal
esac

getent group key-value-config >/dev/null || groupadd --system key-value-config

keys=/etc/key-value/api-keys.json
if [ -z "$before" ] && [ ! -e "$keys" ]; then
    umask 077
    said=$(kv keys create --id admin --file "$keys" 2>&1 >/etc/key-value/admin.key) || {
        echo "$said" >&2
        exit 1
    }
    chgrp key-value-config "$keys"
    chmod 640 "$keys"
    echo "key-value: an API key with all rights is in /etc/key-value/admin.key"
fi

if [ "$1" = configure ]; then
    # As debhelper does: keep the administrator's choice to disable the service, and never fail because it does not start.
    if deb-systemd-helper --quiet was-enabled key-value.service; then
        deb-systemd-helper enable key-value.service >/dev/null || true
    else
        deb-systemd-helper update-state key-value.service >/dev/null || true
    fi
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
        if [ -n "$before" ]; then action=restart; else action=start; fi
        deb-systemd-invoke "$action" key-value.service || true
    fi
elif [ -d /run/systemd/system ]; then
    # As on Fedora and SUSE: the administrator enables and starts services.
    systemctl daemon-reload || true
    if [ -n "$before" ]; then
        systemctl try-restart key-value.service || true
    else
        systemctl --no-reload preset key-value.service || true
    fi
fi
