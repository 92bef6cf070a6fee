#!/usr/bin/env bash
# Checks of the dependencies and of the crate as a package, which need tools or a network that tests do without.
#
#     scripts/audit.sh [--no-advisories]
#
# Licences, sources and advisories of the dependencies (cargo-deny), the oldest compiler that Cargo.toml names, and
# whether the crate builds from what it would be published with. Installs cargo-deny and that compiler where they are
# missing; cargo-deny takes minutes. Advisories come from github.com: --no-advisories leaves them out.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

checks=(bans licenses sources advisories)
case ${1-} in
  --no-advisories) checks=(bans licenses sources) ;;
  '') ;;
  *) die "unknown option $1: --no-advisories is the only one" ;;
esac
use_rust || die "Rust is missing: scripts/install.sh installs it"
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}

if ! has_commands cargo-deny; then
  say "cargo-deny is not here: building it takes some minutes"
  cargo install --quiet --locked cargo-deny
fi
say "== dependencies: ${checks[*]}"
cargo deny --locked check "${checks[@]}"

oldest=$(required_rust)
say "== Rust $oldest builds it"
has_commands rustup || die "rustup is missing: it installs Rust $oldest beside yours"
rustup toolchain install "$oldest" --profile minimal >/dev/null
# A folder of its own, so that neither compiler undoes what the other has built.
RUSTUP_TOOLCHAIN=$oldest CARGO_TARGET_DIR=$target/oldest cargo check --quiet --locked --lib --bins

say "== the packaged crate builds by itself"
cargo package --quiet --locked --target-dir "$target"
say "All checks passed."
