#!/usr/bin/env bash
# Check the documentation: links, properties, options, and the blocks that are marked as runnable.
#
#     scripts/check_docs.sh [--no-run]
#
# --no-run leaves out the blocks that are marked as runnable. A block is marked by the line `<!-- runnable -->` before
# it; it is run in an empty folder that holds `input.mp4`, `videos/`, and links to the checkout's folders.
# Needs the release build: scripts/run.sh or scripts/test.sh makes it.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

built=${CARGO_TARGET_DIR:-$root/target}/release
[[ -x $built/dloralvsr && -f $built/libgstdloralvsr.so ]] ||
  die "$built holds no program and no plugin: build them with cargo build --release"
python3 "$root/scripts/check_docs/tests.py" --quiet
python3 "$root/scripts/check_docs" --built "$built" "$@"
