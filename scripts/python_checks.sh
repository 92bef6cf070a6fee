# shellcheck shell=bash
# Running the checks of tests/chains; sourced by the scripts that do.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=packages.sh
source "$root/scripts/packages.sh"

# has_bindings NAME...: whether the system's Python, which Debian's bindings are for, has these libraries of GStreamer.
has_bindings() {
  /usr/bin/python3 -c '
import sys
import gi
for name in sys.argv[1:]:
    gi.require_version(name, "1.0")' "$@" 2>/dev/null
}

has_python_modules() {
  /usr/bin/python3 -c 'import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]' "$@" 2>/dev/null
}

# run_python_checks FILE [OPTION...]: build the element, and run a file of checks with it and the plugins of $plugins.
run_python_checks() {
  local file=$1 built
  shift
  use_rust
  cargo build --quiet --release --lib --manifest-path "$root/Cargo.toml"
  built=$(realpath "${CARGO_TARGET_DIR:-$root/target}/release")
  GST_PLUGIN_PATH=$built${plugins:+:$plugins} exec /usr/bin/python3 -m pytest --verbose -p no:cacheprovider "$@" "$root/tests/chains/$file"
}
