#!/usr/bin/env bash
# Install what is missing, build, and run every check of the project.
#
#     scripts/test.sh [--quick]
#
# --quick leaves out the Python tests that need torch, whose download is large.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

quick=false
case ${1-} in
  --quick) quick=true ;;
  '') ;;
  *)
    sed -n '2,6 { s/^# \{0,1\}//p }' "${BASH_SOURCE[0]}" >&2
    [[ $1 == -h || $1 == --help ]] && exit 0
    exit 2
    ;;
esac

# step NAME COMMAND...: run it, and say what it is and how long it took.
step() {
  local name=$1 started=$SECONDS
  shift
  say "== $name"
  "$@" || die "failed: $name ($*)"
  say "== $name: $((SECONDS - started)) s"
}

# The Python environment, made anew only when what it is made from has changed.
python_environment() {
  local everything=evaluate,sd,test,test-cluster,test-tensorrt,test-torch,train
  local extras=$everything
  if $quick; then
    extras='test'
  fi
  local stamp=$root/.venv/.made-from wanted
  wanted="$extras $(sha256sum <"$root/models/pyproject.toml")"
  # The full environment serves the quick checks as well.
  if [[ -f $stamp ]] && grep -qxF -e "$wanted" -e "$everything ${wanted#* }" "$stamp"; then
    return 0
  fi
  [[ -x $root/.venv/bin/python ]] || "$(find_python)" -m venv "$root/.venv"
  "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$root/models[$extras]" || return 1
  echo "$wanted" >"$stamp"
}

# The tests of pages need a browser; where it has another name, or cannot be installed, they are skipped and say so.
browser() {
  if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then
    return 0
  fi
  as_root apt-get update -qq >&2 || true
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    chromium chromium-driver >&2 ||
    say "warning: chromium and chromedriver could not be installed: the tests of pages are skipped"
}

python_types() {
  local relaxed=()
  if $quick; then
    # Without torch its classes are unknown to mypy.
    relaxed=(--ignore-missing-imports --allow-subclassing-any --allow-untyped-decorators --no-warn-unused-ignores)
  fi
  "$root/.venv/bin/python" -m mypy "${relaxed[@]}"
}

started=$SECONDS
step "install what is missing" "$root/scripts/install.sh"
use_rust
cd "$root"
step "Rust: format" cargo fmt --check
step "Rust: lints" cargo clippy --quiet --all-targets -- -D warnings
step "Rust: lints of the core without GStreamer" cargo clippy --quiet --all-targets --no-default-features -- -D warnings
step "Rust: documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps
if has_commands cargo-deny; then
  step "Rust: dependencies" cargo deny --locked check bans licenses sources
else
  say "warning: cargo-deny is not installed: scripts/audit.sh installs it and checks the dependencies"
fi
step "Rust: release build" cargo build --quiet --release --lib --bins
step "Rust: tests" cargo test --quiet
step "Documentation" "$root/scripts/check_docs.sh"
step "Live chains" "$root/scripts/live_chains.sh" --seconds 10 --without-comparison --tolerated 0.5
step "Python: environment" python_environment
$quick || step "Python: a browser" browser
cd "$root/models"
others=(../examples/cluster ../examples/demo ../examples/embed.py ../docs ../benches/compare ../scripts ../tests/chains)
step "Python: lints" "$root/.venv/bin/python" -m ruff check --config pyproject.toml . "${others[@]}"
step "Python: format" "$root/.venv/bin/python" -m ruff format --config pyproject.toml --check . "${others[@]}"
step "Python: types" python_types
step "Python: tests" "$root/.venv/bin/python" -m pytest --quiet
say "All checks passed in $((SECONDS - started)) s."
