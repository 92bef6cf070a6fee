#!/usr/bin/env bash
# Let players show a clip through the element, on a screen of their own (Xvfb), and check what is on it: seeking, pausing,
# stepping, double speed, backwards, subtitles, the pointer, colours; with playbin, gst-play-1.0 and gst-launch-1.0.
#
#     scripts/players.sh [OPTIONS OF PYTEST]
# shellcheck source-path=SCRIPTDIR source=python_checks.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/python_checks.sh"

# Print the Debian packages that players need beside those of install.sh.
missing_packages() {
  has_bindings Gst GstVideo || echo python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0
  has_python_modules pytest || echo python3-pytest
  has_commands gst-play-1.0 || echo gstreamer1.0-plugins-base-apps
  has_commands Xvfb || echo xvfb
  has_commands xdotool || echo xdotool
}

"$root/scripts/install.sh"
install_packages
run_python_checks test_players.py "$@"
