#!/bin/sh
# Installs pressel from the source tree: binary, units, manual if it was made, a first configuration, the key. Safe to run again: it
# replaces what it owns and leaves the configuration and the key as they are.
set -eu

usage() {
    cat <<'TEXT'
usage: sudo systemd/install.sh [options]
  --binary FILE   the program to install       (default: target/release/pressel)
  --mcp FILE      install pressel-mcp too, for tools of MCP servers
                  (cargo build --release --manifest-path mcp/Cargo.toml)
  --key FILE      take the API key from FILE   (default: ask, unless there is one)
  --no-start      install only, start nothing
  --root DIR      install below DIR, start nothing (for packages and tests)
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
binary=$here/../target/release/pressel
key_from=
mcp=
start=yes
root=
while [ $# -gt 0 ]; do
    case $1 in
        --binary | --mcp | --key | --root)
            if [ $# -lt 2 ]; then
                echo "install.sh: $1 needs a value" >&2
                exit 2
            fi
            case $1 in
                --binary) binary=$2 ;;
                --mcp) mcp=$2 ;;
                --key) key_from=$2 ;;
                --root) root=$2 start=no ;;
            esac
            shift 2
            ;;
        --no-start)
            start=no
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            echo "install.sh: no such option: $1" >&2
            usage >&2
            exit 2
            ;;
    esac
done

step() { echo "==> $*"; }
fail() {
    echo "install.sh: $*" >&2
    exit 1
}

[ -f "$binary" ] || fail "there is no $binary; build it first: cargo build --release"
[ -z "$mcp" ] || [ -f "$mcp" ] || fail "there is no $mcp; build it first: cargo build --release --manifest-path mcp/Cargo.toml"
[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "this needs root: sudo $0"
if ldd "$binary" 2> /dev/null | grep -q 'libasound.*not found'; then
    fail "libasound is missing; type: apt install libasound2 (Debian 13: libasound2t64)"
fi

step "program to $root/usr/bin/pressel"
# Into place by rename: the old one may be running.
install -D -m 0755 "$binary" "$root/usr/bin/pressel.new"
mv -f "$root/usr/bin/pressel.new" "$root/usr/bin/pressel"

step "units, user, groups and device rules"
for unit in pressel.service pressel-key.path pressel-key.service pressel-poweroff.path pressel-poweroff.service pressel-tool.socket \
    pressel-tool@.service; do
    install -D -m 0644 "$here/$unit" "$root/etc/systemd/system/$unit"
done
install -D -m 0644 "$here/pressel.sysusers" "$root/usr/lib/sysusers.d/pressel.conf"
install -D -m 0644 "$here/pressel.tmpfiles" "$root/usr/lib/tmpfiles.d/pressel.conf"
install -D -m 0644 "$here/60-pressel.rules" "$root/usr/lib/udev/rules.d/60-pressel.rules"
install -D -m 0644 "$here/../daemon/config.example.toml" "$root/usr/share/doc/pressel/config.example.toml"

if [ -n "$mcp" ]; then
    step "pressel-mcp to $root/usr/bin/pressel-mcp"
    install -D -m 0755 "$mcp" "$root/usr/bin/pressel-mcp.new"
    mv -f "$root/usr/bin/pressel-mcp.new" "$root/usr/bin/pressel-mcp"
    for unit in pressel-mcp.socket pressel-mcp.service; do
        install -D -m 0644 "$here/$unit" "$root/etc/systemd/system/$unit"
    done
    install -D -m 0644 "$here/pressel-mcp.sysusers" "$root/usr/lib/sysusers.d/pressel-mcp.conf"
    install -D -m 0644 "$here/../packaging/mcp/pressel-mcp.1" "$root/usr/share/man/man1/pressel-mcp.1"
fi

manual=$here/../target/manual
if [ -d "$manual" ]; then
    step "manual pages and completions to $root/usr/share"
    (cd "$manual" && find . -type f) | while read -r page; do
        install -D -m 0644 "$manual/$page" "$root/usr/share/$page"
    done
else
    step "no manual pages: cargo xtask manual makes them"
fi

step "spoken lines to $root/usr/share/pressel/phrases"
for language in "$here"/../daemon/phrases/*/; do
    for phrase in "$language"*.wav; do
        install -D -m 0644 "$phrase" "$root/usr/share/pressel/phrases/$(basename "$language")/$(basename "$phrase")"
    done
done
if [ -z "$root" ]; then
    systemd-sysusers pressel.conf
    [ -z "$mcp" ] || systemd-sysusers pressel-mcp.conf
    systemd-tmpfiles --create pressel.conf
    if udevadm control --reload 2> /dev/null; then # not in a container
        udevadm trigger --subsystem-match=gpio --subsystem-match=leds --subsystem-match=pwm --subsystem-match=spidev
    fi
    systemctl daemon-reload
fi

config=$root/etc/pressel/config.toml
install -d -m 0755 "$root/etc/pressel" "$root/etc/pressel/config.d"
if [ -e "$config" ]; then
    step "configuration in $config stays as it is"
else
    step "configuration to $config"
    install -m 0644 "$here/config.toml" "$config"
fi

key=$root/etc/pressel/key
put_key() {
    # Written beside and renamed, so that nobody ever reads half of it; on the disk before the old one goes, and as the new one
    # before we say so.
    (umask 077 && cat > "$key.new")
    sync "$key.new"
    mv -f "$key.new" "$key"
    sync "$root/etc/pressel"
}
if [ -n "$key_from" ]; then
    step "key from $key_from to $key"
    put_key < "$key_from"
elif [ -s "$key" ]; then
    step "key in $key stays as it is"
elif [ -s "$key.cred" ]; then
    step "key in $key.cred stays as it is"
elif [ -t 0 ]; then
    step "key to $key (get one at https://aistudio.google.com/apikey)"
    printf 'Paste the API key, it is not shown (Enter alone: later): '
    trap 'stty echo' EXIT INT TERM
    stty -echo
    read -r answer || answer=
    stty echo
    trap - EXIT INT TERM
    echo
    if [ -n "$answer" ]; then
        printf '%s\n' "$answer" | put_key
    fi
    unset answer
fi
[ -s "$key" ] || [ -s "$key.cred" ] || step "no key yet: put it into $key, and the service takes it by itself"

if [ "$start" = yes ]; then
    step "configuration check"
    /usr/bin/pressel config check || fail "mend the configuration above, then run this again"
    step "start"
    systemctl enable --quiet pressel.service pressel-key.path pressel-poweroff.path pressel-tool.socket
    systemctl restart pressel.service pressel-key.path pressel-poweroff.path pressel-tool.socket
    if [ -n "$mcp" ]; then
        systemctl enable --quiet pressel-mcp.socket
        systemctl stop pressel-mcp.service
        systemctl restart pressel-mcp.socket
    fi
    systemctl --no-pager --lines=0 status pressel.service || true
    echo "Cards, button, light, mode, language: sudo pressel setup"
    echo "What it says: journalctl -fu pressel    What is wrong: sudo pressel doctor"
fi
step "done"
