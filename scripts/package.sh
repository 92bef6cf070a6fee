#!/usr/bin/env bash
# Build the Debian package, dloralvsr_VERSION_ARCHITECTURE.deb, and print where it is.
#
#     scripts/package.sh
#
# Installs first what a build needs, and cargo-deb where it is missing, which takes minutes. The package runs on the
# release of Debian that it is built on and on later ones.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# == 0)) || die "scripts/package.sh takes no arguments"
has_commands dpkg-shlibdeps || die "dpkg-shlibdeps is missing: install the Debian package dpkg-dev"
"$root/scripts/install.sh"
use_rust
if ! has_commands cargo-deb; then
  say "cargo-deb is not here: building it takes some minutes"
  cargo install --quiet --locked cargo-deb
fi
cd "$root"
# Where the package's metadata looks for it, whatever the target folder is.
licences=$root/target/package/third-party-licences.txt
mkdir -p "$(dirname "$licences")"
python3 scripts/third_party.py "$(rustc -vV | sed -n 's/^host: //p')" >"$licences"
variant=()
[[ $(dpkg --print-architecture) != arm64 ]] || variant=(--variant arm64)
# Modes of installed files do not hang on this shell's.
umask 022
cargo deb --locked "${variant[@]}"
