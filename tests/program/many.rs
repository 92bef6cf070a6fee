//! Several files into a folder.

use std::path::Path;

use crate::workshop::{Clip, Workshop};

fn clip() -> Clip {
    Clip {
        frames: 6,
        ..Clip::default()
    }
}

#[test]
fn files_and_folders_go_into_a_folder_and_what_is_there_is_skipped() {
    let workshop = Workshop::new();
    let folder = workshop.path("videos");
    std::fs::create_dir(&folder).unwrap();
    workshop.clip("videos/a.mp4", &clip());
    workshop.clip("videos/b.mkv", &clip());
    let single = workshop.clip("c.mkv", &clip());
    let (restored, out) = (workshop.path("restored"), "--out");
    let options = [folder.to_str().unwrap(), out];
    let run = || Workshop::start(&options, &restored, &single).wait();
    run().succeeds();
    for name in ["a.mkv", "b.mkv", "c.mkv"] {
        assert_eq!(workshop.video_times(&restored.join(name)).len(), 6, "{name}");
    }
    std::fs::remove_file(restored.join("b.mkv")).unwrap();
    let said = run().succeeds();
    assert_eq!(said.matches("is there already").count(), 2, "{said}");
    assert!(restored.join("b.mkv").exists());
}

/// A file that is none does not keep the others from being restored.
#[test]
fn what_fails_is_told_at_the_end() {
    let workshop = Workshop::new();
    let broken = workshop.file("broken.mp4", b"not a video");
    let whole = workshop.clip("whole.mp4", &clip());
    let restored = workshop.path("restored");
    let options = ["--format", "mp4", broken.to_str().unwrap(), "--out"];
    let run = Workshop::start(&options, &restored, &whole).wait();
    run.fails(1, &["broken.mp4", "1 of 2 files could not be restored"]);
    assert_eq!(workshop.video_times(&restored.join("whole.mp4")).len(), 6);
}

#[test]
fn two_files_of_one_name_are_refused_before_the_work() {
    let workshop = Workshop::new();
    let (one, two) = (workshop.clip("a.mp4", &clip()), workshop.clip("a.mkv", &clip()));
    let options = [one.to_str().unwrap(), "--out"];
    let run = Workshop::start(&options, &workshop.path("restored"), &two).wait();
    run.fails(2, &["would both become"]);
    assert!(!Path::new(&workshop.path("restored")).exists());
}
