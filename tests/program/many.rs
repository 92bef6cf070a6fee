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

/// Not by another name either: a file that is an input is no result that is there already.
#[test]
fn an_output_that_is_an_input_is_refused_before_the_work() {
    let workshop = Workshop::new();
    let input = workshop.clip("a.mp4", &clip());
    let other = workshop.clip("b.mp4", &clip());
    let before = std::fs::read(&input).unwrap();
    let [own, symbolic, hard] = ["", "symbolic", "hard"].map(|name| workshop.path(name));
    std::fs::create_dir(&symbolic).unwrap();
    std::fs::create_dir(&hard).unwrap();
    std::os::unix::fs::symlink("../a.mp4", symbolic.join("a.mp4")).unwrap();
    // Of another input's output.
    std::fs::hard_link(&input, hard.join("b.mp4")).unwrap();
    for folder in [own, symbolic, hard] {
        for force in [&[][..], &["--force"]] {
            let options = [force, &["--format", "mp4", other.to_str().unwrap(), "--out"]].concat();
            let run = Workshop::start(&options, &folder, &input).wait();
            run.fails(2, &["is the same file as the input", "choose another folder"]);
            assert!(!run.messages.contains("there already"), "{}", run.messages);
        }
    }
    assert_eq!(std::fs::read(&input).unwrap(), before);
    assert_eq!(std::fs::read_dir(workshop.path("symbolic")).unwrap().count(), 1);
}
