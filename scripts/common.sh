# shellcheck shell=bash
# What the scripts share; sourced by them.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# Where the element looks for what runtime.sh puts on the machine.
# shellcheck disable=SC2034 # read by runtime.sh
data=${XDG_DATA_HOME:-$HOME/.local/share}/dloralvsr

say() { printf '%s\n' "$*" >&2; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# at_least HAVE WANT: whether version HAVE is WANT or newer.
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

required_rust() { sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml"; }

# Version of the compiler that would be used; empty where there is none.
rust_version() { rustc --version 2>/dev/null | cut -d ' ' -f 2 || true; }

# Put a compiler that is new enough on this script's way: the default one, or rustup's stable.
use_rust() {
  local cargo_bin=${CARGO_HOME:-$HOME/.cargo}/bin
  if [[ -d $cargo_bin && :$PATH: != *:$cargo_bin:* ]]; then
    PATH=$cargo_bin:$PATH
  fi
  local have
  have=$(rust_version)
  if [[ -n $have ]] && at_least "$have" "$(required_rust)"; then
    return 0
  fi
  have=$(RUSTUP_TOOLCHAIN=stable rust_version)
  if [[ -n $have ]] && command -v rustup >/dev/null && at_least "$have" "$(required_rust)"; then
    export RUSTUP_TOOLCHAIN=stable
    return 0
  fi
  return 1
}

has_commands() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null || return 1
  done
}

# As root, or through a sudo that does not ask.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

# Print the first Python that is new enough and can make environments with pip in them.
find_python() {
  local name
  for name in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return 0
    fi
  done
  return 1
}

# ONNX Runtime reports its use to its maker unless it finds this set when it is loaded.
export ORT_DISABLE_TELEMETRY=${ORT_DISABLE_TELEMETRY-1}
