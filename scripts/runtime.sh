# shellcheck shell=bash
# ONNX Runtime and its execution providers: out of PyPI's wheels into the data folder. Sourced by install.sh and
# install_runtime.sh.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

onnxruntime=1.24

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
      has_onnxruntime_in "$data/openvino" &&
        [[ -f $data/openvino/onnxruntime/capi/libonnxruntime_providers_openvino.so ]]
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

# Through an environment of its own, which goes again: the system's Python may have no pip, or be closed to it.
install_provider() (
  name=$1
  # A library for CUDA has the CPU provider too.
  if has_provider "$name" || { [[ $name == cpu ]] && has_provider cuda; }; then
    return 0
  fi
  read -ra wheels <<<"$(wheels_of "$name")"
  read -ra place <<<"$(place_of "$name")"
  python=$(find_python) || die "Python 3.11 or newer with venv is needed: on Debian the package python3-venv"
  say "installing the execution provider $name into $data (a download of about $(size_of "$name") MB)"
  mkdir -p "$data/${place[0]}" || die "the folder $data cannot be made: give another as XDG_DATA_HOME"
  # Beside its place, so that moving it there is one rename.
  fresh=$(mktemp -d "$data/.fresh.XXXXXX") || die "the folder $data cannot be written: give another as XDG_DATA_HOME"
  trap 'rm -rf "$fresh"' EXIT
  "$python" -m venv "$fresh/python" >&2 || die "$python could not make an environment in $data: see above"
  PIP_USER=0 PIP_ROOT_USER_ACTION=ignore "$fresh/python/bin/python" -m pip install --quiet --disable-pip-version-check \
    --only-binary :all: --target "$fresh/wheels" "${wheels[@]}" >&2 ||
    die "$(no_wheels "$name" "$data/${place[0]}" "${wheels[@]}")"
  for folder in "${place[@]:1}"; do
    if [[ -d $fresh/wheels/$folder ]]; then
      rm -rf "${data:?}/${place[0]}/$folder"
      mv "$fresh/wheels/$folder" "$data/${place[0]}/$folder"
    fi
  done
  has_provider "$name" || die "the wheels ${wheels[0]} do not hold what the provider $name needs"
)

# no_wheels NAME FOLDER WHEEL [OPTION...]: why they are not there, and what to do.
no_wheels() {
  if [[ $1 == tensorrt ]]; then
    echo "pip could not install $3. It lies in NVIDIA's own package index: set PIP_EXTRA_INDEX_URL to that, and run this
again."
  else
    echo "pip could not install it. With a network, by hand (on another machine of the same kind, copy the folder):
    python3 -m pip install --target '$2' '$3' ${*:4}
or set ORT_DYLIB_PATH to a libonnxruntime.so of version $onnxruntime or newer that is on this machine."
  fi
}

list_providers() {
  local name state
  for name in "${providers[@]}"; do
    state="not installed, about $(size_of "$name") MB"
    has_provider "$name" && state=installed
    printf '%-13s %s\n' "$name" "$state"
  done
}

# Providers that are to be installed; none: what this machine gains by.
chosen=()

# The arguments of both scripts, which each have a usage of their own.
read_arguments() {
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
}

install_chosen() {
  ((${#chosen[@]} > 0)) || mapfile -t chosen < <(wanted_providers)
  local name
  for name in "${chosen[@]}"; do
    install_provider "$name"
  done
}
