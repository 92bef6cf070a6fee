#!/usr/bin/env bash
# Run the element's tests, built here against GStreamer 1.22, on a fresh Debian 13 with GStreamer 1.26.
#
#     scripts/test_trixie.sh [TEST...]
#
# TEST: of tests/, by default those of the element. Needs root and debootstrap, and takes ROOTS and MIRROR: see
# scripts/fresh_debian.sh.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source-path=SCRIPTDIR source=fresh_debian.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/fresh_debian.sh"

tests=("$@")
((${#tests[@]})) || tests=(element_caps element_contract element_errors element_frames element_model element_pipeline
  element_pools element_states element_window element_yuv leaks live pace pipelines sharing)

target=${CARGO_TARGET_DIR:-$root/target}
say "== building the tests"
names=()
for name in "${tests[@]}"; do
  names+=(--test "$name")
done
(cd "$root" && cargo build --quiet --lib && cargo test --quiet --no-run "${names[@]}")
# shellcheck disable=SC2154 # common.sh sets it
[[ -d $data ]] || die "ONNX Runtime is not in $data: scripts/install.sh gets it"

make_root trixie
say "== installing GStreamer"
install_packages gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
see_folder "$root"
[[ $target == "$root"/* ]] || see_folder "$target"
see_folder "$data"
say "$(in_root gst-inspect-1.0 --version | head -n 1)"

for name in "${tests[@]}"; do
  found=$(find "$target/debug/deps" -maxdepth 1 -name "$name-*" -perm -u+x -type f -printf '%T@ %p\n')
  binary=$(sort -n <<<"$found" | tail -n 1)
  say "== $name"
  in_root env XDG_DATA_HOME="${data%/*}" GST_PLUGIN_PATH="$target/debug" \
    bash -c "cd '$root' && '${binary#* }' --quiet" ||
    die "failed on Debian 13: $name"
done
say "The element's tests pass on Debian 13: ${tests[*]}"
