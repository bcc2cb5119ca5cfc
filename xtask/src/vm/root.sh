# Run inside the root of the virtual machine while it is made: the kernel, and what has to be loaded before a disk is seen.
set -e
# Debian's own kernel has no gpio-sim, the one of backports has. Unpacked, not configured: nobody boots it by a boot loader.
sed -n 's/^\(deb .*\) trixie main.*/\1 trixie-backports main/p' /etc/apt/sources.list > /etc/apt/sources.list.d/backports.list
apt-get -qq update
apt-get -qq -y --no-install-recommends --download-only -t trixie-backports install linux-image-amd64
for package in /var/cache/apt/archives/linux-*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --exclude=./boot/System.map* -C /
done
version=$(ls /usr/lib/modules)
depmod "$version"
mkdir -p /vm/initrd/dev /vm/initrd/proc /vm/initrd/root /vm/initrd/modules
# Up to 6.x a kernel lies in /boot, later ones beside their modules.
for kernel in "/usr/lib/modules/$version/vmlinuz" "/boot/vmlinuz-$version"; do
    [ ! -f "$kernel" ] || cp "$kernel" /vm/vmlinuz
done
cp /usr/bin/busybox /vm/initrd/busybox
number=10
for module in virtio_pci virtio_blk ext4; do
    modprobe --show-depends --set-version "$version" "$module"
done | while read -r what file rest; do
    [ "$what" = insmod ] || continue
    name=$(basename "${file%.ko*}")
    ls /vm/initrd/modules/*-"$name".ko > /dev/null 2>&1 && continue
    number=$((number + 1))
    case "$file" in
    *.xz) xz -dc "$file" ;;
    *.zst) zstd -dqc "$file" ;;
    *) cat "$file" ;;
    esac > "/vm/initrd/modules/$number-$name.ko"
done
cat > /vm/initrd/init << 'EOF'
#!/busybox sh
/busybox mount -t devtmpfs dev /dev
for module in /modules/*.ko; do /busybox insmod "$module"; done
/busybox mount -t ext4 -o rw,noatime /dev/vda /root || exec /busybox sh
/busybox mount --move /dev /root/dev
for word in $(/busybox mount -t proc proc /proc; /busybox cat /proc/cmdline); do
    case "$word" in first=*) first=${word#first=} ;; esac
done
/busybox umount /proc
exec /busybox switch_root /root "${first:-/sbin/init}"
EOF
chmod +x /vm/initrd/init
(cd /vm/initrd && find . | busybox cpio -o -H newc > ../initrd.cpio 2> /dev/null)
rm -r /vm/initrd
# The first process of a machine that is to lose its power: no system, a program from the shared folder.
cat > /vm/first << 'EOF'
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
modprobe -a 9p 9pnet_virtio
mkdir /run/shared
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 shared /run/shared
exec sh /run/shared/first
EOF
chmod +x /vm/first
# A minimal Debian has none.
echo '127.0.0.1 localhost' > /etc/hosts
passwd -qd root
systemctl -q disable systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer 2> /dev/null || true
rm -rf /usr/share/doc /usr/share/man /usr/share/locale /var/lib/apt/lists/*
