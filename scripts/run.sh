#!/usr/bin/env bash
# Restore a video at four times its width and height, with its audio; install and build first what that needs.
#
#     scripts/run.sh [options] INPUT OUTPUT
#     scripts/run.sh                          # the demo clip
#     scripts/run.sh --help                   # all options
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/install.sh"
use_rust
target=${CARGO_TARGET_DIR:-$root/target}
program=$target/release/dloralvsr
[[ -x $program ]] || say "building dloralvsr: this takes minutes, once"
cargo build --quiet --release --manifest-path "$root/Cargo.toml" --lib --bins

if (($# > 0)); then
  exec "$program" "$@"
fi
demo=$target/demo/demo-x4.mkv
mkdir -p "$target/demo"
rm -f "$demo"
"$program" "$root/examples/demo/demo.mp4" "$demo"
say "The restored demo clip is $demo; the clip it was made from is examples/demo/demo.mp4."
