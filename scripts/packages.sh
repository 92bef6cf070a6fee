# shellcheck shell=bash
# Installing Debian packages; sourced by scripts that define missing_packages, which prints the names of what is not there.

has_elements() {
  local element
  for element in "$@"; do
    gst-inspect-1.0 --exists "$element" 2>/dev/null || return 1
  done
}

install_packages() {
  local packages
  mapfile -t packages < <(missing_packages | tr ' ' '\n')
  if ((${#packages[@]} == 0)); then
    return 0
  fi
  local by_hand="sudo apt-get update && sudo apt-get install --no-install-recommends ${packages[*]}"
  if ! has_commands apt-get; then
    die "missing on this machine (by Debian's package names): ${packages[*]}
There is no apt-get here: install their counterparts by hand, GStreamer 1.22 or newer, then run this again."
  fi
  if [[ $EUID -ne 0 ]] && ! sudo -n true 2>/dev/null; then
    die "missing: ${packages[*]}
Installing them needs root, and sudo asks for a password. Do it by hand, then run this again:
    $by_hand"
  fi
  say "installing from apt: ${packages[*]}"
  # A third party's list that fails to load does not matter as long as the packages are found.
  as_root apt-get update -qq || say "warning: apt-get update failed; trying with the lists that are here"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2 ||
    die "apt-get could not install them. See what it says above; with a network, by hand:
    $by_hand"
  mapfile -t packages < <(missing_packages | tr ' ' '\n')
  if ((${#packages[@]} > 0)); then
    die "still missing or too old after the installation: ${packages[*]}
GStreamer 1.22 and Python 3.11 are needed: Debian 12, Ubuntu 23.04 or newer have them."
  fi
}
