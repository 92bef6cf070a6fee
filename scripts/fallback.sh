#!/usr/bin/env bash
# Run the element behind fallbacksrc (gst-plugins-rs), over RTSP and SRT: the camera is killed, another picture is shown,
# the camera comes back. The plugin is built from crates.io, since Debian 12 has no package of it.
#
#     scripts/fallback.sh [OPTIONS OF PYTEST]
# shellcheck source-path=SCRIPTDIR source=python_checks.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/python_checks.sh"

# Print the Debian packages that are needed beside those of install.sh.
missing_packages() {
  has_bindings Gst GstRtspServer GstVideo ||
    echo python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0 gir1.2-gst-rtsp-server-1.0
  has_elements rtspsrc || echo gstreamer1.0-plugins-good
  has_elements srtsrc srtsink || echo gstreamer1.0-plugins-bad
  has_python_modules pytest || echo python3-pytest
}

"$root/scripts/install.sh"
install_packages
use_rust
target=${CARGO_TARGET_DIR:-$root/target}/fallback
say "building fallbacksrc: this takes minutes the first time"
# Cargo says where the library is; GStreamer knows a plugin by its file's name.
library=$(cargo build --quiet --release --manifest-path "$root/tests/chains/fallback/Cargo.toml" --target-dir "$target" \
  --message-format json | grep -o '/[^"]*libgstfallbackswitch[^"]*\.so' | head -n 1)
plugins=$target/plugins
mkdir -p "$plugins"
cp "$library" "$plugins/libgstfallbackswitch.so"
run_python_checks test_fallback.py "$@"
