#!/bin/sh
# initrd.sh ROOT BOOT: Debian's kernel for any arm64 machine has its drivers as modules; those that reach QEMU's disk go into an
# initrd of a few MB, which does nothing but load them and go on in the root.
set -eu
root=$1
boot=$2
release=$(ls "$root/usr/lib/modules")
tree=$(mktemp -d)
mkdir -p "$tree/bin" "$tree/modules" "$tree/proc" "$tree/sys" "$tree/dev" "$tree/root"
cp "$root/usr/bin/busybox" "$tree/bin/busybox"
cp /recipe/virt/init "$tree/init"
chmod 755 "$tree/init"
for driver in virtio_pci virtio_mmio virtio_blk ext4; do
    # Each with what it needs, in the order of loading.
    modprobe --set-version "$release" --dirname "$root" --show-depends "$driver"
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r module; do
    name=$(basename "$module" .xz)
    case $module in
        *.xz) xz -dc "$module" > "$tree/modules/$name" ;;
        *) cp "$module" "$tree/modules/$name" ;;
    esac
    echo "$name" >> "$tree/modules/order"
done
(cd "$tree" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) > "$boot/initrd.img"
cp "$root/boot/vmlinuz-$release" "$boot/vmlinuz"
rm -rf "$tree"
