//! The program in the folders of a package.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::program::built_program;

/// A folder as `/usr`, with the program in it.
struct Prefix(tempfile::TempDir);

impl Prefix {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        let program = folder.path().join("bin/dloralvsr");
        // A link costs nothing, but not across file systems.
        fs::hard_link(built_program(), &program)
            .or_else(|_| fs::copy(built_program(), &program).map(|_| ()))
            .unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A script in the place of the one that installs.
    fn script(&self, text: &str) {
        let script = self.path("share/dloralvsr/scripts/install_runtime.sh");
        fs::create_dir_all(script.parent().unwrap()).unwrap();
        fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(self.path("bin/dloralvsr"))
            .args(arguments)
            .env("XDG_DATA_DIRS", self.path("share"))
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }
}

fn fails_saying(output: &Output, texts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for text in texts {
        assert!(said.contains(text), "`{text}` is not in:\n{said}");
    }
}

#[test]
fn the_runtime_is_installed_by_the_script_of_the_package() {
    let prefix = Prefix::new();
    prefix.script("echo \"$*\"");
    for (arguments, given) in [
        (&["--install-runtime"][..], "\n"),
        (&["--install-runtime", "--provider", "auto"], "\n"),
        (&["--install-runtime", "--provider", "webgpu"], "--provider webgpu\n"),
    ] {
        let output = prefix.run(arguments);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), given);
    }
}

#[test]
fn an_installation_that_fails_is_an_error() {
    let prefix = Prefix::new();
    fails_saying(
        &prefix.run(&["--install-runtime"]),
        &[
            "is not there",
            "share/dloralvsr/scripts/install_runtime.sh",
            "pip install",
        ],
    );
    prefix.script("echo 'error: no network' >&2; exit 1");
    fails_saying(
        &prefix.run(&["--install-runtime"]),
        &["error: no network", "install_runtime.sh failed"],
    );
}

#[test]
fn packs_in_the_system_s_data_folder_are_found() {
    let prefix = Prefix::new();
    fs::create_dir_all(prefix.path("share/dloralvsr/models")).unwrap();
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
    symlink(tiny, prefix.path("share/dloralvsr/models/shared")).unwrap();
    let said = |model: &str| {
        let output = prefix.run(&["--time-provider", "cpu", "--model", model]);
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(said("shared").contains(" ms, "), "{}", said("shared"));
    assert!(said("another").contains("shared, tiny"), "{}", said("another"));
}
