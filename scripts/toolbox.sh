#!/usr/bin/env bash
# Run the element in what GStreamer has for transcoding (uritranscodebin), editing (GStreamer Editing Services), composing
# (compositor), recording (splitmuxsink), several outputs (tee) and for programs in Python (appsrc, appsink, NumPy), and
# check each frame that comes out.
#
#     scripts/toolbox.sh [OPTIONS OF PYTEST]
# shellcheck source-path=SCRIPTDIR source=python_checks.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/python_checks.sh"

# Print the Debian packages that are needed beside those of install.sh.
missing_packages() {
  has_bindings Gst GstPbutils GstVideo || echo python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0
  has_bindings GES || echo gir1.2-ges-1.0
  has_commands ges-launch-1.0 || echo ges1.0-tools
  has_python_modules numpy || echo python3-numpy
  has_python_modules pytest || echo python3-pytest
}

"$root/scripts/install.sh"
install_packages
run_python_checks test_toolbox.py "$@"
