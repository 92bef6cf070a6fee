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
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

gstreamer=1.22
onnxruntime=1.24

# --- system packages ---------------------------------------------------------------------------------------------------

has_libraries() {
  local library
  for library in "$@"; do
    pkg-config --exists "$library >= $gstreamer" 2>/dev/null || return 1
  done
}

has_elements() {
  local element
  for element in "$@"; do
    gst-inspect-1.0 --exists "$element" 2>/dev/null || return 1
  done
}

has_commands() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null || return 1
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
  has_elements qtdemux mp4mux matroskamux deinterlace videoflip vp9enc flacenc || echo gstreamer1.0-plugins-good
  has_elements h264parse h265parse || echo gstreamer1.0-plugins-bad
  has_elements x264enc || echo gstreamer1.0-plugins-ugly
  has_elements avdec_h264 avenc_aac || echo gstreamer1.0-libav
  has_commands ffmpeg ffprobe || echo ffmpeg
  has_commands strace || echo strace
  find_python >/dev/null || echo python3 python3-venv python3-pip
  use_rust || has_commands curl || echo curl ca-certificates
}

# As root, or through a sudo that does not ask.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

install_packages() {
  local packages
  mapfile -t packages < <(missing_packages | tr ' ' '\n')
  if ((${#packages[@]} == 0)); then
    return 0
  fi
  local by_hand="sudo apt-get update && sudo apt-get install ${packages[*]}"
  if ! has_commands apt-get; then
    die "missing on this machine (by Debian's package names): ${packages[*]}
There is no apt-get here: install their counterparts by hand, GStreamer $gstreamer or newer, then run this again."
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
GStreamer $gstreamer and Python 3.11 are needed: Debian 12, Ubuntu 23.04 or newer have them."
  fi
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

# --- ONNX Runtime and execution providers ------------------------------------------------------------------------------

has_nvidia_gpu() { has_commands nvidia-smi && nvidia-smi -L 2>/dev/null | grep -q '^GPU'; }

providers=(cpu openvino cuda tensorrt webgpu tensorrt-rtx)

# Print the providers that this machine gains by.
wanted_providers() {
  if has_nvidia_gpu; then
    echo cuda
  else
    echo cpu
    # OpenVINO's wheels are for this processor alone; the element tries which of the two is faster.
    [[ $(uname -m) != x86_64 ]] || echo openvino
  fi
}

# What pip is to install for a provider, without dependencies where it says so; CUDA's are needed.
wheels_of() {
  case $1 in
    cpu) echo "onnxruntime>=$onnxruntime" --no-deps ;;
    openvino) echo "onnxruntime-openvino>=1.24" --no-deps ;;
    cuda) echo "onnxruntime-gpu[cuda,cudnn]>=$onnxruntime" ;;
    # The version that ONNX Runtime is linked with; it lies in NVIDIA's own package index alone.
    tensorrt) echo "tensorrt-cu13-libs==10.16.1.11" --no-deps ;;
    webgpu) echo "onnxruntime-ep-webgpu>=0.4" --no-deps ;;
    tensorrt-rtx) echo "onnxruntime-ep-nv-tensorrt-rtx-cu13>=0.5" --no-deps ;;
  esac
}

# Size of the download, MB.
size_of() {
  case $1 in
    cpu) echo 28 ;;
    openvino) echo 85 ;;
    cuda) echo 2500 ;;
    tensorrt) echo 2000 ;;
    webgpu) echo 7 ;;
    tensorrt-rtx) echo 147 ;;
  esac
}

# Folder under the data folder, and what of the wheels goes there.
place_of() {
  case $1 in
    openvino) echo openvino onnxruntime ;;
    tensorrt) echo . tensorrt_libs ;;
    webgpu) echo . onnxruntime_ep_webgpu ;;
    tensorrt-rtx) echo . onnxruntime_ep_nv_tensorrt_rtx ;;
    *) echo . nvidia onnxruntime ;;
  esac
}

# Print the version of the library in a folder; fails where there is none.
onnxruntime_in() {
  local library
  for library in "$1"/onnxruntime/capi/libonnxruntime.so.1.*; do
    [[ -f $library ]] || return 1
    echo "${library##*/libonnxruntime.so.}"
    return 0
  done
}

has_onnxruntime_in() {
  local version
  version=$(onnxruntime_in "$1") && at_least "$version" "$onnxruntime"
}

has_provider() {
  case $1 in
    cpu) has_onnxruntime_in "$data" ;;
    openvino)
      has_onnxruntime_in "$data/openvino" && [[ -f $data/openvino/onnxruntime/capi/libonnxruntime_providers_openvino.so ]]
      ;;
    cuda) has_onnxruntime_in "$data" && [[ -f $data/onnxruntime/capi/libonnxruntime_providers_cuda.so ]] ;;
    tensorrt) [[ -f $data/tensorrt_libs/libnvinfer.so.10 ]] ;;
    webgpu) [[ -f $data/onnxruntime_ep_webgpu/libonnxruntime_providers_webgpu.so ]] ;;
    tensorrt-rtx) [[ -f $data/onnxruntime_ep_nv_tensorrt_rtx/libonnxruntime_providers_nv_tensorrt_rtx.so ]] ;;
  esac
}

# What cannot run without the other.
needed_by() {
  case $1 in
    tensorrt) echo cuda tensorrt ;;
    webgpu | tensorrt-rtx) echo cpu "$1" ;;
    *) echo "$1" ;;
  esac
}

install_provider() {
  local name=$1
  if has_provider "$name"; then
    return 0
  fi
  # A library for CUDA has the CPU provider too.
  if [[ $name == cpu ]] && has_provider cuda; then
    return 0
  fi
  local wheels place
  read -ra wheels <<<"$(wheels_of "$name")"
  read -ra place <<<"$(place_of "$name")"
  say "installing the execution provider $name into $data (a download of about $(size_of "$name") MB)"
  mkdir -p "$data/${place[0]}" || die "the folder $data cannot be made: give another as XDG_DATA_HOME"
  # Beside its place, so that moving it there is one rename.
  local fresh
  fresh=$(mktemp -d "$data/.fresh.XXXXXX")
  if ! PIP_USER=0 PIP_ROOT_USER_ACTION=ignore "$(find_python)" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    --target "$fresh" "${wheels[@]}" >&2; then
    rm -rf "$fresh"
    if [[ $name == tensorrt ]]; then
      die "pip could not install ${wheels[0]}. It lies in NVIDIA's own package index: set PIP_EXTRA_INDEX_URL to that, and
run this again."
    fi
    die "pip could not install it. With a network, by hand (on another machine of the same kind, copy the folder):
    python3 -m pip install --target '$data/${place[0]}' '${wheels[0]}' ${wheels[*]:1}
or set ORT_DYLIB_PATH to a libonnxruntime.so of version $onnxruntime or newer that is on this machine."
  fi
  local folder
  for folder in "${place[@]:1}"; do
    if [[ -d $fresh/$folder ]]; then
      rm -rf "${data:?}/${place[0]}/$folder"
      mv "$fresh/$folder" "$data/${place[0]}/$folder"
    fi
  done
  rm -rf "$fresh"
  has_provider "$name" || die "the wheels ${wheels[0]} do not hold what the provider $name needs"
}

list_providers() {
  local name state
  for name in "${providers[@]}"; do
    state="not installed, about $(size_of "$name") MB"
    has_provider "$name" && state=installed
    printf '%-13s %s\n' "$name" "$state"
  done
}

usage() { sed -n '2,/^# \${XDG/ { s/^# \{0,1\}//p }' "${BASH_SOURCE[0]}" >&2; }

chosen=()
while (($# > 0)); do
  case $1 in
    --provider)
      [[ ${2-} && " ${providers[*]} " == *" $2 "* ]] || die "--provider takes one of: ${providers[*]}"
      mapfile -t -O "${#chosen[@]}" chosen < <(needed_by "$2" | tr ' ' '\n')
      shift 2
      ;;
    --list)
      list_providers
      exit 0
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage
      exit 2
      ;;
  esac
done
install_packages
install_rust
((${#chosen[@]} > 0)) || mapfile -t chosen < <(wanted_providers)
for name in "${chosen[@]}"; do
  install_provider "$name"
done
