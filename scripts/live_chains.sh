#!/usr/bin/env bash
# Run the element in the live chains it is for, on loopback, and print a table of what became of the frames.
#
#     scripts/live_chains.sh [rtsp] [srt] [hls] [webrtc] [--seconds N] [--without-comparison] [--tolerated SHARE]
#
# Without names, every chain but webrtc, which needs many more packages. Each runs for N seconds (60) with a source that
# two cores can restore, and with one that they cannot; then again with a plain scaler in the element's place, unless
# --without-comparison is given. In each case the camera is killed and comes back. It ends with 1 if a chain is broken,
# or where more than SHARE (0.05) of the frames are lost.
# docs/live.md says what the columns mean.
# shellcheck source-path=SCRIPTDIR source=python_checks.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/python_checks.sh"

# Print the Debian packages that the chains need beside those of install.sh.
missing_packages() {
  has_bindings Gst GstRtspServer GstVideo ||
    echo python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0 gir1.2-gst-rtsp-server-1.0
  has_elements rtspclientsink || echo gstreamer1.0-rtsp
  has_elements rtspsrc souphttpsrc || echo gstreamer1.0-plugins-good
  has_elements srtsrc srtsink hlssink2 hlsdemux watchdog || echo gstreamer1.0-plugins-bad
  if $webrtc; then
    # Its version is libnice's, which --exists takes for too old.
    { has_elements webrtcbin && gst-inspect-1.0 nicesrc >/dev/null 2>&1; } || echo gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0
    pkg-config --exists gstreamer-webrtc-1.0 || echo libgstreamer-plugins-bad1.0-dev
  fi
}

usage() { sed -n '2,/^# docs/ { s/^# \{0,1\}//p }' "${BASH_SOURCE[0]}" >&2; }

webrtc=false
[[ " $* " != *" webrtc "* ]] || webrtc=true
case ${1-} in
  -h | --help)
    usage
    exit 0
    ;;
esac
"$root/scripts/install.sh"
install_packages
use_rust
cd "$root"
cargo build --quiet --release --example live_rtsp --example live_srt --example live_hls
if $webrtc; then
  cargo build --quiet --release --features webrtc --example live_webrtc
fi
exec /usr/bin/python3 tests/chains/measure.py "${CARGO_TARGET_DIR:-target}/release/examples" "$@"
