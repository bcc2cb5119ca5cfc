#!/bin/sh
# build.sh BOARD: from a Debian root in /base, the files of this folder in /recipe and a package in /out/pressel.deb to
# /out/disk.img. Mounts no file system of the image and needs no loop device. `cargo xtask image` runs it among its tools.
set -eu
board=$1
work=/out/work
root=$work/root
state=$work/state
boot=$work/boot
rm -rf "$work"
mkdir -p "$root" "$state/etc" "$state/lib" "$state/ssh" "$boot"

echo "==> root"
cp -a /base/. "$root"
# As root's, whoever has checked the sources out.
tar -C /recipe/root --owner=0 --group=0 --mode=go-w -c . | tar -x -C "$root"
cp /out/pressel.deb "$root/tmp/pressel.deb"
mount -t proc proc "$root/proc"
chroot "$root" dpkg --install /tmp/pressel.deb
chroot "$root" sh -s < /recipe/settle.sh
umount "$root/proc"
rm "$root/tmp/pressel.deb"

echo "==> boot partition"
[ ! -d "$root/boot/firmware" ] || cp -r "$root/boot/firmware/." "$boot"
cp -r /recipe/boot/. "/recipe/$board/boot/." "$boot"
# Only QEMU needs an initrd: the Pi's kernel has its drivers built in.
[ ! -f "/recipe/$board/initrd.sh" ] || sh "/recipe/$board/initrd.sh" "$root" "$boot"
rm -rf "$root/boot"
mkdir -p "$root/boot/firmware"

echo "==> state partition"
for folder in etc/pressel etc/wpa_supplicant; do
    cp -a "$root/$folder" "$state/etc"
done
for folder in pressel systemd; do
    cp -a "$root/var/lib/$folder" "$state/lib"
done

echo "==> disk"
mib=1048576
truncate -s 256M "$work/boot.img"
mkfs.vfat -F 32 -n bootfs "$work/boot.img" > /dev/null
mcopy -s -i "$work/boot.img" "$boot"/* ::/
# What is in it, and room for the file system's own.
root_mib=$(($(du -s -B $mib "$root" | cut -f 1) * 115 / 100 + 64))
mke2fs -q -t ext4 -L pressel-root -d "$root" "$work/root.img" "${root_mib}M"
mke2fs -q -t ext4 -L pressel-state -d "$state" "$work/state.img" 64M
disk=/out/disk.img.new
rm -f "$disk"
truncate -s $(((4 + 256 + root_mib + 64) * mib)) "$disk"
# The number is what the Pi's cmdline.txt knows the root partition by.
sfdisk --quiet "$disk" << TABLE
label: dos
label-id: 0x70726573
start=4MiB, size=256MiB, type=c, bootable
start=260MiB, size=${root_mib}MiB, type=83
start=$((260 + root_mib))MiB, size=64MiB, type=83
TABLE
put() { dd if="$1" of="$disk" bs=$mib seek="$2" conv=notrunc,sparse status=none; }
put "$work/boot.img" 4
put "$work/root.img" 260
put "$work/state.img" $((260 + root_mib))
cp "$boot/vmlinuz" "$boot/initrd.img" /out 2> /dev/null || true
rm -rf "$work"
mv "$disk" /out/disk.img
