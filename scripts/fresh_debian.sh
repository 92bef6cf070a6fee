# shellcheck shell=bash
# A fresh Debian of another release, for what is to run there. Sourced, after common.sh; needs root and debootstrap.
#
# The fresh Debian is made once, in target/roots or the folder that ROOTS names, and copied for each run. It takes the host
# name lookup and the certificates of this machine. MIRROR names another mirror than deb.debian.org.

((EUID == 0)) || die "root is needed: chroot and mount are not for others"
has_commands debootstrap || die "debootstrap is missing: install the Debian package of this name"
roots=${ROOTS:-${CARGO_TARGET_DIR:-$root/target}/roots}
mirror=${MIRROR:-http://deb.debian.org/debian}

# make_base SUITE
make_base() {
  local suite=$1
  [[ -d $roots/$suite ]] && return 0
  mkdir -p "$roots"
  rm -rf "$roots/$suite.part"
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$roots/$suite.part" "$mirror" >&2
  mv "$roots/$suite.part" "$roots/$suite"
}

remove_root() {
  local mounted
  for mounted in "${mounts[@]}"; do
    umount "$mounted" 2>/dev/null || true
  done
  rm -rf --one-file-system "$clean"
}

# make_root SUITE: the clean root of this run, in $clean; gone at its end.
make_root() {
  local suite=$1
  make_base "$suite"
  clean=$(mktemp -d "$roots/run.XXXXXX")
  mounts=("$clean/proc")
  trap remove_root EXIT
  chmod 755 "$clean"
  cp -a "$roots/$suite/." "$clean/"
  cp /etc/resolv.conf "$clean/etc/resolv.conf"
  cp /etc/ssl/certs/ca-certificates.crt "$clean/etc/ssl/certs/ca-certificates.crt"
  echo "deb $mirror $suite main" >"$clean/etc/apt/sources.list"
  mount -t proc proc "$clean/proc"
  mkdir -p "$clean/test"
}

# see_folder FOLDER: shows a folder of this machine at the same place in the root, to read alone.
see_folder() {
  mkdir -p "$clean$1"
  mount --bind "$1" "$clean$1"
  mounts+=("$clean$1")
  mount -o remount,bind,ro "$clean$1"
}

in_root() {
  local path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  chroot "$clean" env -u GST_PLUGIN_PATH -u XDG_DATA_HOME PATH="$path" HOME=/root DEBIAN_FRONTEND=noninteractive "$@"
}

# install_packages NAME...
install_packages() {
  in_root apt-get update -qq
  in_root apt-get install -y -qq --no-install-recommends "$@" >"$clean/test/apt.log" 2>&1 ||
    die "apt could not install $*: $(tail -n 20 "$clean/test/apt.log")"
}
