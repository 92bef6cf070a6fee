//! A bypassed frame, with and without the detail of a restored one.

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use gstdloralvsr::restore::{Frame, OutputWriter, PixelLayout, PixelView, PixelViewMut};

use crate::{SCALE, at_every_size, picture};

pub fn bicubic(criterion: &mut Criterion) {
    at_every_size(criterion, "bypass", |width, height| work(width, height, false));
}

pub fn with_detail(criterion: &mut Criterion) {
    at_every_size(criterion, "bypass with detail", |width, height| {
        work(width, height, true)
    });
}

fn work(width: usize, height: usize, propagates: bool) -> impl FnMut() {
    let mut writer = OutputWriter::new();
    let (first, next) = (frame(width, height, 0), frame(width, height, 1));
    let mut output = vec![0; width * height * 3 * SCALE * SCALE];
    writer.keep(first, output.clone());
    move || {
        let (width, height) = (width * SCALE, height * SCALE);
        let view = PixelViewMut::new(&mut output, width, height, width * 3, PixelLayout::Rgb);
        let mut view = view.expect("a whole picture");
        black_box(
            writer
                .write_bypass(&next, propagates, true, &mut view)
                .expect("a valid output"),
        );
    }
}

fn frame(width: usize, height: usize, number: usize) -> Arc<Frame> {
    let rgb = picture(width, height, number);
    let view = PixelView::new(&rgb, width, height, width * 3, PixelLayout::Rgb).expect("a whole picture");
    Arc::new(Frame::read(&view).expect("a whole picture"))
}
