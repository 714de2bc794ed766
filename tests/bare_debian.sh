#!/bin/sh
# Shows on a bare Debian 12 (debootstrap, minbase) that `make` names what is missing before cargo starts, and that
# README's one apt line is all that `cargo build` needs beside Rust. As root; takes a quarter of an hour.
#
#   tests/bare_debian.sh [FOLDER]     the folder is kept where it is given, to go on from there
#
# Mirror and proxy are those of this machine's apt; Rust and the downloaded crates are those of this user, mounted
# read-only (run `cargo fetch` once before).
set -eu

if [ "${KOLMO_BARE:-}" != inside ]; then
    # Mounts live and die with this process.
    KOLMO_BARE=inside exec unshare --mount --propagation private sh "$0" "$@"
fi

repository=$(cd "$(dirname "$0")/.." && pwd)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}
bare=${1:-}
if [ -z "$bare" ]; then
    bare=$(mktemp -d)
    keep=false
else
    mkdir -p "$bare"
    keep=true
fi

unmount() {
    for place in proc dev/null dev/zero dev/urandom cargo rustup; do
        umount "$bare/$place" 2>/dev/null || true
    done
    # Nothing is removed while something is still mounted below.
    if ! $keep && ! grep -q " $bare/" /proc/mounts; then
        rm -rf --one-file-system "$bare"
    fi
}
trap unmount EXIT
trap 'exit 1' INT TERM

if [ ! -x "$bare/usr/bin/apt-get" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' | awk '$2 == "bookworm" { print $1; exit }')
    echo "bare Debian 12 in $bare"
    debootstrap --variant=minbase bookworm "$bare" ${mirror:+"$mirror"} >"$bare.log" 2>&1 || {
        tail -n 20 "$bare.log"
        exit 1
    }
    rm -f "$bare.log"
fi
cp /etc/resolv.conf "$bare/etc/resolv.conf"
apt-config dump | grep -i '^Acquire::.*Proxy' >"$bare/etc/apt/apt.conf.d/80proxy" || true

mkdir -p "$bare/cargo" "$bare/rustup" "$bare/kolmo"
mount -t proc proc "$bare/proc"
for device in null zero urandom; do
    touch "$bare/dev/$device" 2>/dev/null || true
    mount --bind "/dev/$device" "$bare/dev/$device"
done
mount --bind -o ro "$cargo_home" "$bare/cargo"
mount --bind -o ro "$rustup_home" "$bare/rustup"

rm -rf "$bare/kolmo"
mkdir "$bare/kolmo"
git -C "$repository" -c safe.directory="$repository" archive HEAD | tar -x -C "$bare/kolmo"

inside() {
    chroot "$bare" env -i PATH=/cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/tmp CARGO_HOME=/cargo RUSTUP_HOME=/rustup \
        DEBIAN_FRONTEND=noninteractive CARGO_NET_OFFLINE=true sh -c "cd /kolmo && $1"
}

echo "== make, with nothing but make and Rust"
inside 'apt-get update -qq && apt-get install -qq -y --no-install-recommends make' >"$bare/tmp/apt.log" 2>&1 || {
    tail "$bare/tmp/apt.log"
    exit 1
}
if inside 'make' >"$bare/tmp/make.log" 2>&1; then
    echo "make passed where packages are missing"
    exit 1
fi
cat "$bare/tmp/make.log"
grep -q '^missing: .*build-essential pkg-config libhdf5-dev' "$bare/tmp/make.log"
if grep -q Compiling "$bare/tmp/make.log"; then
    echo "cargo was started before the missing packages were named"
    exit 1
fi

line=$(grep -m 1 -o 'apt-get install .*libhdf5-dev.*' "$repository/README.md")
echo "== README: $line"
inside "$line -qq -y" >"$bare/tmp/apt.log" 2>&1 || {
    tail "$bare/tmp/apt.log"
    exit 1
}

echo "== cargo build"
inside 'cargo build --locked' >"$bare/tmp/build.log" 2>&1 || {
    tail -n 40 "$bare/tmp/build.log"
    exit 1
}
tail -n 1 "$bare/tmp/build.log"
inside 'target/debug/kolmo --version'
echo "bare Debian 12: passed"
