//! The examples for other programs, run as their heads say: `compare`, `library`, `embed_appsrc`, `embed.py`, `embed.c`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::tools::Plugin;

mod common;

/// Where Cargo puts examples, which it builds with the tests.
fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is not built: cargo build --examples", path.display());
    path
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert!(status.success(), "{command:?}: {said}");
    String::from_utf8(stdout).unwrap()
}

/// With the plugin of this build, in the folder of the test.
fn run(plugin: &Plugin, program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(plugin.folder())
        .env("GST_PLUGIN_PATH", plugin.plugins())
        .env("GST_REGISTRY", plugin.folder().join("registry"));
    command
}

/// Width, height and pixels of a PPM picture.
fn ppm(path: &Path) -> (usize, usize, Vec<u8>) {
    let bytes = std::fs::read(path).unwrap();
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let sides: Vec<usize> = head.split(' ').filter_map(|word| word.parse().ok()).collect();
    (sides[0], sides[1], bytes[end + 1..].to_vec())
}

/// The mean of each channel, which restoring leaves nearly as it is.
fn means(pixels: &[u8]) -> [f64; 3] {
    [0, 1, 2].map(|channel| {
        let values = pixels.iter().skip(channel).step_by(3);
        values.map(|value| f64::from(*value)).sum::<f64>() / (pixels.len() / 3) as f64
    })
}

#[test]
fn library_restores_pictures_in_memory() {
    let plugin = Plugin::new();
    let said = succeeds(&mut run(&plugin, &example("library")));
    assert!(said.contains("computed by"), "{said}");
    let (before, after) = (
        ppm(&plugin.folder().join("before.ppm")),
        ppm(&plugin.folder().join("restored.ppm")),
    );
    assert_eq!((after.0, after.1), (before.0 * 4, before.1 * 4));
    for (ours, theirs) in means(&after.2).into_iter().zip(means(&before.2)) {
        assert!((ours - theirs).abs() < 3.0, "{ours} and {theirs}");
    }
}

#[test]
fn embed_appsrc_gets_its_frames_back() {
    let plugin = Plugin::new();
    let said = succeeds(&mut run(&plugin, &example("embed_appsrc")));
    assert_eq!(said.lines().count(), 10, "{said}");
    assert!(said.lines().all(|line| line.contains("640x384")), "{said}");
    assert!(said.starts_with("0 ms") && said.contains("360 ms"), "{said}");
}

#[test]
fn embed_in_c_builds_without_warnings_and_gets_its_frames_back() {
    let plugin = Plugin::new();
    let flags =
        succeeds(Command::new("pkg-config").args(["--cflags", "--libs", "gstreamer-app-1.0", "gstreamer-video-1.0"]));
    let program = plugin.folder().join("embed");
    succeeds(
        Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&program)
            .arg(source("embed.c"))
            .args(flags.split_whitespace()),
    );
    let said = succeeds(&mut run(&plugin, &program));
    assert_eq!(
        said.lines().filter(|line| line.contains("640x384")).count(),
        10,
        "{said}"
    );
}

#[test]
fn embed_in_python_gets_numpy_frames_back() {
    let python = Path::new("/usr/bin/python3");
    let has_bindings = Command::new(python)
        .args(["-c", "import gi, numpy; gi.require_version('GstApp', '1.0')"])
        .output();
    if !has_bindings.is_ok_and(|it| it.status.success()) {
        println!("python3-gi, python3-numpy and gir1.2-gst-plugins-base-1.0 are not installed: not tested");
        return;
    }
    let plugin = Plugin::new();
    let said = succeeds(run(&plugin, python).arg(source("embed.py")));
    assert_eq!(
        said.lines().filter(|line| line.contains("640x384")).count(),
        10,
        "{said}"
    );
    let (width, height, pixels) = ppm(&plugin.folder().join("restored.ppm"));
    assert_eq!((width, height, pixels.len()), (640, 384, 640 * 384 * 3));
    assert!((means(&pixels)[1] - 128.0).abs() < 3.0);
}

/// Four frames of 32x16, two colours; the sizes, and that each half is what it is said to be.
#[test]
fn compare_writes_videos_pictures_and_profiles() {
    let plugin = Plugin::new();
    let input = plugin.folder().join("in.mkv");
    let source = "testsrc2=size=48x32:rate=10:duration=0.4";
    succeeds(
        Command::new("ffmpeg")
            .args([
                "-v", "error", "-f", "lavfi", "-i", source, "-c:v", "ffv1", "-pix_fmt", "yuv420p",
            ])
            .arg(&input),
    );
    for (arguments, output, size, frames) in [
        (&[][..], "split.mkv", "192,128", 4),
        (&["--side-by-side"], "both.mkv", "384,128", 4),
        (&["--side-by-side", "--frame", "2"], "both.png", "384,128", 1),
        (&["--frame", "2"], "split.png", "192,128", 1),
        (&["--profile"], "profile.png", "192,8", 1),
    ] {
        succeeds(
            run(&plugin, &example("compare"))
                .args(arguments)
                .args(["in.mkv", output]),
        );
        let probe = [
            "-v",
            "error",
            "-count_packets",
            "-show_entries",
            "stream=width,height,nb_read_packets",
        ];
        let found = succeeds(
            Command::new("ffprobe")
                .args(probe)
                .args(["-of", "csv=p=0"])
                .arg(plugin.folder().join(output)),
        );
        assert_eq!(found.trim(), format!("{size},{frames}"), "{output}");
    }
    let pixels = |name: &str| {
        let arguments = ["-v", "error", "-i", name, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
        Command::new("ffmpeg")
            .current_dir(plugin.folder())
            .args(arguments)
            .output()
            .unwrap()
            .stdout
    };
    let (both, split) = (pixels("both.png"), pixels("split.png"));
    let rows = both.chunks(384 * 3).zip(split.chunks(192 * 3));
    for (both, split) in rows {
        assert_eq!(split[..95 * 3], both[..95 * 3], "before");
        assert_eq!(split[97 * 3..], both[(192 + 97) * 3..], "after");
    }
    assert_ne!(both[..192 * 3], both[192 * 3..384 * 3]);
    let run = run(&plugin, &example("compare"))
        .args(["--frame", "9", "in.mkv", "none.png"])
        .output()
        .unwrap();
    assert!(!run.status.success() && String::from_utf8_lossy(&run.stderr).contains("has no frame 9"));
}
