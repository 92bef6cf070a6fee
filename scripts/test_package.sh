#!/usr/bin/env bash
# Install the Debian package on a fresh Debian and restore the demo clip there.
#
#     scripts/test_package.sh bookworm|trixie [PACKAGE.deb]
#
# PACKAGE.deb: by default the newest in target/debian, where scripts/package.sh puts it. Needs root and debootstrap, and
# takes ROOTS and MIRROR: see scripts/fresh_debian.sh.
# shellcheck disable=SC2016 # what is not expanded here is for the shell of the fresh Debian
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

suite=${1-}
[[ $suite == bookworm || $suite == trixie ]] || die "the release is missing: scripts/test_package.sh bookworm|trixie"
target=${CARGO_TARGET_DIR:-$root/target}
# shellcheck source-path=SCRIPTDIR source=fresh_debian.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/fresh_debian.sh"

newest_package() {
  local found
  found=$(find "$target/debian" -name 'dloralvsr_*.deb' -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1)
  [[ $found ]] || die "$target/debian holds no package: scripts/package.sh makes it"
  echo "${found#* }"
}
package=${2:-$(newest_package)}

# As a user without rights, in the home folder.
as_user() {
  in_root setpriv --reuid=1000 --regid=1000 --clear-groups env HOME=/home/user bash -euo pipefail -c "cd; $1"
}

# check NAME COMMAND: run by the user.
check() {
  say "== $suite: $1"
  as_user "$2" || die "failed on $suite: $1"
}

make_root "$suite"
cp "$package" "$clean/test/package.deb"
cp "$root/examples/demo/demo.mp4" "$clean/test/"
say "== $suite: apt install $(basename "$package")"
install_packages /test/package.deb gstreamer1.0-tools
in_root useradd --uid 1000 --create-home user

check "the element is known" 'gst-inspect-1.0 dloralvsr >inspection && grep -q execution-provider inspection'
check "without ONNX Runtime the error says what to do" \
  'if said=$(dloralvsr /test/demo.mp4 none.mkv 2>&1); then exit 1; fi; grep -q -e --install-runtime <<<"$said"'
check "ONNX Runtime is installed" 'dloralvsr --install-runtime'
check "providers are listed" 'dloralvsr --list-devices'
check "the demo clip is restored" 'dloralvsr /test/demo.mp4 demo-x4.mkv'
check "the restored clip is whole" 'said=$(ffprobe -v error -count_frames -select_streams v -of csv=p=0 \
  -show_entries stream=width,height,nb_read_frames demo-x4.mkv); echo "$said"; [[ $said == 1280,720,150 ]]'
check "the pack small is found" 'dloralvsr --model small --frames 3 /test/demo.mp4 small.mkv'
in_root mv /home/user/.local/share/dloralvsr /usr/local/share/
check "the element restores, with an ONNX Runtime for all users" \
  'gst-launch-1.0 -q videotestsrc num-buffers=5 ! video/x-raw,width=320,height=180 ! dloralvsr ! fakesink'
check "completions and the manual are in place" 'for file in man/man1/dloralvsr.1.gz doc/dloralvsr/copyright \
  bash-completion/completions/dloralvsr zsh/vendor-completions/_dloralvsr fish/vendor_completions.d/dloralvsr.fish
  do test -s "/usr/share/$file"; done'
say "== $suite: apt remove"
in_root apt-get remove -y -qq dloralvsr >/dev/null 2>&1
check "nothing of the package is left" 'test ! -e /usr/bin/dloralvsr -a ! -e /usr/share/dloralvsr
  if gst-inspect-1.0 --exists dloralvsr; then exit 1; fi'
say "$suite: the package $(basename "$package") passes."
