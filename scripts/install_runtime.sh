#!/usr/bin/env bash
# Install ONNX Runtime and execution providers for this user.
#
#     install_runtime.sh                    what this machine computes fastest with
#     install_runtime.sh --provider NAME    what an execution provider needs: cpu, openvino, cuda, tensorrt, webgpu or
#                                           tensorrt-rtx
#     install_runtime.sh --list             what is here, what is not, and how large it is
#
# They come out of PyPI's wheels into ${XDG_DATA_HOME:-$HOME/.local/share}/dloralvsr. Needs Python 3.11 with venv.
# `dloralvsr --install-runtime` runs this; in a checkout install.sh does the same and installs what a build needs.
# shellcheck source-path=SCRIPTDIR source=runtime.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/runtime.sh"

usage() { sed -n '2,/^# They/ { s/^# \{0,1\}//p }' "${BASH_SOURCE[0]}" >&2; }

read_arguments "$@"
install_chosen
say "installed in $data: ${chosen[*]}"
