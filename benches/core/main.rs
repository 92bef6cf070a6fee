//! The stages of the core, one by one and at three sizes of frames, without GStreamer:
//!
//! ```text
//! cargo bench --no-default-features
//! cargo bench --no-default-features -- decoder/320x180
//! ```
//!
//! `DLORALVSR_PACK` names another pack than the embedded one, `DLORALVSR_PROVIDER` another provider than `auto`.

mod bypass;
mod graphs;
mod pictures;
mod stream;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Width and height of frames.
const SIZES: [(usize, usize); 3] = [(160, 90), (320, 180), (640, 360)];
const SCALE: usize = gstdloralvsr::restore::SCALE;

/// Runs the stage `name` at every size. `prepare` makes for frames of a size what is measured; rates are in output
/// pixels, so that stages can be compared.
fn at_every_size<F: FnMut()>(criterion: &mut Criterion, name: &str, mut prepare: impl FnMut(usize, usize) -> F) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20).warm_up_time(Duration::from_millis(500));
    for (width, height) in SIZES {
        group.throughput(Throughput::Elements((width * height * SCALE * SCALE) as u64));
        let mut work = prepare(width, height);
        let id = BenchmarkId::from_parameter(format!("{width}x{height}"));
        group.bench_function(id, |bencher| bencher.iter(&mut work));
    }
    group.finish();
}

/// Smooth values with some grain, packed RGB.
fn picture(width: usize, height: usize, number: usize) -> Vec<u8> {
    let value = |at: usize| {
        let (y, x, c) = (at / 3 / width, at / 3 % width, at % 3);
        (40 + 3 * y * (c + 1) / 8 + x / 4 + 5 * number + ((x * 11) ^ (y * 5)) % 13) as u8
    };
    (0..width * height * 3).map(value).collect()
}

criterion_group!(
    stages,
    stream::window,
    stream::copy,
    stream::frame,
    graphs::encoder,
    graphs::restorer,
    graphs::decoder,
    pictures::blend,
    pictures::upscale,
    pictures::color,
    bypass::bicubic,
    bypass::with_detail
);
criterion_main!(stages);
