#!/usr/bin/env bash
# Run the element in the live chains it is for, on loopback, and print a table of what became of the frames.
#
#     scripts/live_chains.sh [rtsp] [srt] [hls] [webrtc] [hls-browser] [webrtc-browser]
#         [--seconds N] [--without-comparison] [--tolerated SHARE] [--pictures FOLDER]
#
# Without names, rtsp, srt and hls, which take a quarter of an hour beside the build; the others need many more packages.
# The last two have a viewer in Chromium without a window, HLS through hls.js; --pictures keeps a picture of the page of
# each. Each chain runs for N seconds (60) with a source that two cores can restore, and with one that they cannot; then
# again with a plain scaler in the element's place, unless --without-comparison is given. In each case the camera is
# killed and comes back. It ends with 1 if a chain is broken, or where more than SHARE (0.05) of the frames are lost, as
# on a machine that is busy with other work.
# docs/live.md says what the columns mean.
# shellcheck source-path=SCRIPTDIR source=python_checks.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/python_checks.sh"

hls_js_version=1.7.4

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
  if $browser; then
    has_commands chromium chromedriver || echo chromium chromium-driver
    has_python_modules selenium || echo python3-selenium
    has_commands npm || echo npm
  fi
}

# Print where hls.js is; it is put there where it is not yet.
hls_js() {
  local folder=${CARGO_TARGET_DIR:-$root/target}/hls.js file
  file=$folder/node_modules/hls.js/dist/hls.min.js
  [[ $(sed -n 's/^ *"version": "\(.*\)",*$/\1/p' "${file%/dist/*}/package.json" 2>/dev/null) == "$hls_js_version" ]] ||
    npm install --silent --no-save --ignore-scripts --prefix "$folder" "hls.js@$hls_js_version" >&2 ||
    die "npm could not install hls.js $hls_js_version: without it leave hls-browser out"
  echo "$file"
}

usage() { sed -n '2,/^# docs/ { s/^# \{0,1\}//p }' "${BASH_SOURCE[0]}" >&2; }

webrtc=false browser=false
[[ " $* " != *" webrtc"* ]] || webrtc=true
[[ " $* " != *"-browser "* ]] || browser=true
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
examples=(--example live_rtsp --example live_srt --example live_hls)
if $webrtc; then
  examples+=(--features webrtc --example live_webrtc)
fi
say "building the examples: this takes minutes the first time"
cargo build --quiet --release "${examples[@]}"
hls_js=()
if $browser; then
  hls_js=(--hls-js "$(hls_js)")
fi
exec /usr/bin/python3 tests/chains/measure.py "${CARGO_TARGET_DIR:-target}/release/examples" "${hls_js[@]}" "$@"
