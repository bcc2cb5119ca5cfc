#!/bin/sh
# Runs in the image's root, after the package and the files of image/root are in it.
set -eu

systemctl --quiet enable systemd-networkd.service systemd-resolved.service systemd-timesyncd.service \
    ssh.service pressel.service pressel-key.path pressel-poweroff.path \
    pressel-first-boot.service pressel-grow-state.service
# Nothing that writes to the root, installs by itself, or keeps the start waiting.
systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service systemd-machine-id-commit.service systemd-networkd-wait-online.service \
    systemd-update-utmp.service wpa_supplicant.service

# ssh over the ways of virtual machines and containers, which systemd opens by itself.
mkdir -p /etc/systemd/system-generators
ln -s /dev/null /etc/systemd/system-generators/systemd-ssh-generator

# An empty one is given its content in memory with each start; a missing one would make each start the first.
: > /etc/machine-id
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id /vmlinuz* /initrd.img*
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
ln -sf ../proc/self/mounts /etc/mtab
# Nobody logs in but over ssh, with a key.
passwd --quiet --lock root
rm -rf /var/cache/apt/* /var/lib/apt/lists/* /var/log/* /var/tmp/*
mkdir -p /boot/firmware /state /etc/wpa_supplicant /var/lib/pressel
