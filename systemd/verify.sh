#!/bin/sh
# Checks the unit files: any word of `systemd-analyze verify` is a failure (it exits 0 on unknown keys), and so is
# an exposure above 2.0. Needs systemd-analyze, no running systemd and no root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# A root in which everything the units name is there, beside the host's own units that they refer to.
mkdir -p "$root/etc/systemd/system" "$root/usr/bin" "$root/usr/lib/systemd"
cp -R /lib/systemd/system "$root/usr/lib/systemd/system"
ln -s usr/lib "$root/lib"
for program in pressel pressel-mcp systemctl rm; do
    printf '#!/bin/sh\n' > "$root/usr/bin/$program"
    chmod +x "$root/usr/bin/$program"
done
units="pressel.service pressel-key.path pressel-key.service pressel-poweroff.path pressel-poweroff.service pressel-tool.socket pressel-tool@.service \
    pressel-mcp.socket pressel-mcp.service"
for unit in $units; do
    cp "$here/$unit" "$root/etc/systemd/system/"
done

# shellcheck disable=SC2086 # a list of words
said=$(systemd-analyze verify --root="$root" --man=no --recursive-errors=yes $units 2>&1) || {
    printf '%s\n' "$said" >&2
    exit 1
}
if [ -n "$said" ]; then
    printf '%s\n' "$said" >&2
    exit 1
fi

for unit in pressel.service pressel-key.service pressel-poweroff.service pressel-tool@.service pressel-mcp.service; do
    report=$(systemd-analyze security --offline=yes --threshold=20 --no-pager "$here/$unit") || {
        printf '%s\n' "$report" >&2
        exit 1
    }
    printf '%s\n' "$report" | tail -n 1
done

if command -v systemd-sysusers > /dev/null; then
    for users in pressel.sysusers pressel-mcp.sysusers; do
        systemd-sysusers --dry-run --root="$root" "$here/$users" > /dev/null 2>&1
    done
fi
