#!/usr/bin/env bash
# Install what building and running needs and this machine lacks: GStreamer 1.22 with its development files and plugins,
# Rust, Python, and ONNX Runtime's library. Looks first and changes nothing that is there; running it again takes seconds.
#
#     scripts/install.sh                    what this machine computes fastest with
#     scripts/install.sh --provider NAME    what an execution provider needs: cpu, openvino, cuda, tensorrt, webgpu or
#                                           tensorrt-rtx
#     scripts/install.sh --list             what is here, what is not, and how large it is
#
# System packages come from apt (Debian 12, Ubuntu 23.04 or newer), by root or a sudo that asks for no password. On other
# systems install the counterparts by hand; the script says which are missing. Rust goes into the home folder through
# rustup. ONNX Runtime and its execution providers come out of PyPI's wheels, into
# ${XDG_DATA_HOME:-$HOME/.local/share}/dloralvsr.
# shellcheck source-path=SCRIPTDIR source=runtime.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/runtime.sh"
# shellcheck source=packages.sh
source "$root/scripts/packages.sh"

gstreamer=1.22

# --- system packages ---------------------------------------------------------------------------------------------------

has_libraries() {
  local library
  for library in "$@"; do
    pkg-config --exists "$library >= $gstreamer" 2>/dev/null || return 1
  done
}

# Print the Debian packages whose contents are not on this machine, each judged by what is needed of it.
missing_packages() {
  has_commands cc || echo build-essential
  has_commands pkg-config || echo pkg-config
  has_libraries gstreamer-1.0 gstreamer-base-1.0 gstreamer-check-1.0 || echo libgstreamer1.0-dev
  has_libraries gstreamer-video-1.0 gstreamer-app-1.0 gstreamer-audio-1.0 gstreamer-pbutils-1.0 ||
    echo libgstreamer-plugins-base1.0-dev
  has_commands gst-inspect-1.0 gst-launch-1.0 || echo gstreamer1.0-tools
  has_elements parsebin decodebin videoconvert videoscale audioresample opusenc || echo gstreamer1.0-plugins-base
  has_elements ximagesink textoverlay || echo gstreamer1.0-x
  has_elements qtdemux mp4mux matroskamux deinterlace videoflip vp9enc flacenc || echo gstreamer1.0-plugins-good
  has_elements h264parse h265parse av1parse x265enc av1enc || echo gstreamer1.0-plugins-bad
  has_elements x264enc || echo gstreamer1.0-plugins-ugly
  has_elements avdec_h264 avenc_aac || echo gstreamer1.0-libav
  has_commands ffmpeg ffprobe || echo ffmpeg
  has_commands strace || echo strace
  find_python >/dev/null || echo python3 python3-venv
  use_rust || has_commands curl || echo curl ca-certificates
}

# --- Rust --------------------------------------------------------------------------------------------------------------

install_rust() {
  if use_rust; then
    return 0
  fi
  local want have
  want=$(required_rust)
  have=$(rust_version)
  if has_commands rustup; then
    say "Rust ${have:-(none)} is older than $want: updating rustup's stable toolchain; your default toolchain stays"
    rustup toolchain install stable --profile minimal --component rustfmt --component clippy >&2 ||
      die "rustup could not install it. With a network, by hand:
    rustup toolchain install stable --component rustfmt --component clippy"
  else
    say "Rust ${have:-is not here}; $want or newer is needed: installing it through rustup into ${CARGO_HOME:-$HOME/.cargo}"
    install_rustup
  fi
  use_rust || die "Rust $want is needed and what was installed is older: update it with \`rustup update stable\`"
}

install_rustup() {
  local by_hand="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
  local script
  script=$(mktemp)
  if ! curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs -o "$script" ||
    ! sh "$script" -y --profile minimal --component rustfmt --component clippy >&2; then
    rm -f "$script"
    die "Rust could not be installed. With a network, by hand:
    $by_hand"
  fi
  rm -f "$script"
  say "new shells find cargo by themselves; in this one: . \"${CARGO_HOME:-$HOME/.cargo}/env\""
}

# -----------------------------------------------------------------------------------------------------------------------

# shellcheck disable=SC2016 # the line of the header is meant as it is
usage() { sed -n '2,/^# \${XDG/ { s/^# \{0,1\}//p }' "${BASH_SOURCE[0]}" >&2; }

read_arguments "$@"
install_packages
install_rust
install_chosen
