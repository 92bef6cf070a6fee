//! YUV in and out: brightness, colours and their places are those of the RGB that it stands for.

use gstdloralvsr::restore::{
    ComponentLayout, Frame, Matrix, OutputWriter, PixelLayout, PixelView, RestoreError, YuvLayout, YuvView, YuvViewMut,
};

use crate::fake::{Fake, Picture, expected, geometry};

/// Between samples and rows; no picture may write it.
const GAP: u8 = 0xA5;

/// Luma's weights of red and blue, as the standards have them.
const WEIGHTS: [(Matrix, f64, f64); 5] = [
    (Matrix::Bt601, 0.299, 0.114),
    (Matrix::Bt709, 0.2126, 0.0722),
    (Matrix::Bt2020, 0.2627, 0.0593),
    (Matrix::Smpte240m, 0.212, 0.087),
    (Matrix::Fcc, 0.30, 0.11),
];

fn layout(matrix: Matrix, full_range: bool) -> YuvLayout {
    YuvLayout {
        halved: [true, true],
        cosited: [false, true],
        matrix,
        full_range,
    }
}

/// A colour by the standards' formulas.
fn yuv_of(rgb: [u8; 3], [red, blue]: [f64; 2], full_range: bool) -> [f64; 3] {
    let [r, g, b] = rgb.map(f64::from);
    let luma = red * r + (1.0 - red - blue) * g + blue * b;
    let (u, v) = ((b - luma) / (2.0 * (1.0 - blue)), (r - luma) / (2.0 * (1.0 - red)));
    match full_range {
        true => [luma, 128.0 + u, 128.0 + v],
        false => [
            16.0 + luma * 219.0 / 255.0,
            128.0 + u * 224.0 / 255.0,
            128.0 + v * 224.0 / 255.0,
        ],
    }
}

/// Components one after the other, `gap` bytes after each row, `step` bytes from sample to sample.
struct Planes {
    data: Vec<u8>,
    size: [usize; 2],
    places: [ComponentLayout; 3],
    layout: YuvLayout,
}

impl Planes {
    fn new(size: [usize; 2], layout: YuvLayout, gap: usize, step: usize) -> Planes {
        let chroma = layout.chroma_size(size);
        let mut offset = gap;
        let places = [size, chroma, chroma].map(|[height, width]| {
            let stride = width * step + gap;
            let place = ComponentLayout {
                plane: 0,
                offset,
                stride,
                step,
            };
            offset += height * stride;
            place
        });
        Planes {
            data: vec![GAP; offset],
            size,
            places,
            layout,
        }
    }

    fn rows(&self, component: usize) -> [usize; 2] {
        match component {
            0 => self.size,
            _ => self.layout.chroma_size(self.size),
        }
    }

    /// Bytes of a component's samples, in order.
    fn samples(&self, component: usize) -> Vec<usize> {
        let place = self.places[component];
        let [height, width] = self.rows(component);
        let row = |y: usize| (0..width).map(move |x| place.offset + y * place.stride + x * place.step);
        (0..height).flat_map(row).collect()
    }

    fn fill(&mut self, component: usize, value: impl Fn(usize, usize) -> u8) {
        let width = self.rows(component)[1];
        for (at, byte) in self.samples(component).into_iter().enumerate() {
            self.data[byte] = value(at / width, at % width);
        }
    }

    fn component(&self, component: usize) -> Vec<u8> {
        self.samples(component)
            .into_iter()
            .map(|byte| self.data[byte])
            .collect()
    }

    fn view(&self) -> YuvView<'_> {
        YuvView::new(
            [&self.data, &[], &[]],
            self.size[1],
            self.size[0],
            self.places,
            self.layout,
        )
        .unwrap()
    }

    fn view_mut(&mut self) -> YuvViewMut<'_> {
        YuvViewMut::new(
            [&mut self.data, &mut [], &mut []],
            self.size[1],
            self.size[0],
            self.places,
            self.layout,
        )
        .unwrap()
    }

    fn assert_gaps_are_untouched(&self) {
        let written: Vec<usize> = (0..3).flat_map(|component| self.samples(component)).collect();
        let mut gaps = vec![true; self.data.len()];
        written.into_iter().for_each(|byte| gaps[byte] = false);
        assert!(self.data.iter().zip(gaps).all(|(byte, gap)| !gap || *byte == GAP));
    }
}

/// What the output writer makes of RGB that is four times a frame of `size`.
fn written(rgb: &[u8], size: [usize; 2], mut planes: Planes) -> Planes {
    let data = vec![0; size[0] * size[1] * 3];
    let view = PixelView::new(&data, size[1], size[0], size[1] * 3, PixelLayout::Rgb).unwrap();
    let frame = Frame::read(&view).unwrap();
    OutputWriter::new().write(&frame, rgb, &mut planes.view_mut()).unwrap();
    planes
}

#[test]
fn colours_are_the_standards() {
    let colours = [
        [255, 255, 255],
        [0, 0, 0],
        [200, 30, 40],
        [30, 180, 60],
        [20, 40, 210],
        [230, 220, 10],
        [123, 45, 167],
    ];
    for ((matrix, red, blue), full_range) in WEIGHTS.into_iter().flat_map(|w| [(w, false), (w, true)]) {
        for rgb in colours {
            let case = format!("{matrix:?}, full range: {full_range}, {rgb:?}");
            let wanted = yuv_of(rgb, [red, blue], full_range);
            let mut planes = Planes::new([6, 7], layout(matrix, full_range), 0, 1);
            (0..3).for_each(|component| planes.fill(component, |_, _| wanted[component].round() as u8));
            let frame = Frame::read(&planes.view()).unwrap();
            for (at, value) in frame.rgb().iter().enumerate() {
                // Rounding to 8 bits moves a colour by up to 2.3 levels in BT.2020's blue.
                assert!(value.abs_diff(rgb[at % 3]) <= 3, "{case}: {value} at {at}");
            }
            let output = Planes::new([24, 28], layout(matrix, full_range), 0, 1);
            let output = written(&rgb.repeat(24 * 28), [6, 7], output);
            for (component, wanted) in wanted.into_iter().enumerate() {
                let values = output.component(component);
                assert!(
                    values.iter().all(|value| (f64::from(*value) - wanted).abs() < 1.5),
                    "{case}: component {component} is {} and not {wanted}",
                    values[0]
                );
            }
        }
    }
}

/// Where `videoconvert` of GStreamer 1.22 makes gray yellow and two levels darker.
#[test]
fn gray_stays_gray_and_as_bright() {
    for (matrix, _, _) in WEIGHTS {
        for level in 0..=255 {
            let mut planes = Planes::new([2, 2], layout(matrix, false), 0, 1);
            planes.fill(0, |_, _| level);
            (1..3).for_each(|component| planes.fill(component, |_, _| 128));
            let frame = Frame::read(&planes.view()).unwrap();
            let exact = ((f64::from(level) - 16.0) * 255.0 / 219.0).clamp(0.0, 255.0);
            let [red, green, blue] = [0, 1, 2].map(|channel| frame.rgb()[channel]);
            assert!(
                red == green && green == blue,
                "{matrix:?}: {level} is ({red}, {green}, {blue})"
            );
            assert!((f64::from(red) - exact).abs() <= 0.75, "{matrix:?}: {level} is {red}");
            let output = Planes::new([8, 8], layout(matrix, false), 0, 1);
            let output = written(&[red; 8 * 8 * 3], [2, 2], output);
            let expected = level.clamp(16, 235);
            assert!(
                output.component(0).iter().all(|luma| luma.abs_diff(expected) <= 1),
                "{level}"
            );
            assert!(
                (1..3).all(|component| output.component(component) == [128; 16]),
                "{level}"
            );
        }
    }
}

/// The places of chroma decide where a colour begins: a red half, beside a gray one.
#[test]
fn an_edge_in_colour_stays_where_it_is() {
    let size = [8, 16];
    let rgb = |y: usize, x: usize| if x < 8 && y < 64 { [180, 60, 60] } else { [96; 3] };
    let picture: Vec<u8> = (0..8 * 16).flat_map(|at| rgb(at / 16, at % 16)).collect();
    for cosited in [[false, false], [false, true], [true, true]] {
        for halved in [[false, false], [false, true], [true, true]] {
            let layout = YuvLayout {
                halved,
                cosited,
                ..layout(Matrix::Bt709, false)
            };
            // Of a picture of 2×4 this is the fourfold.
            let planes = written(&picture, [2, 4], Planes::new(size, layout, 0, 1));
            let frame = Frame::read(&planes.view()).unwrap();
            let redness = |x: usize| i32::from(frame.rgb()[x * 3]) - i32::from(frame.rgb()[x * 3 + 1]);
            // Its middle, between the eighth and the ninth pixel: as much is missing on one side as is too much on the other.
            let sum: i32 = (0..16).map(redness).sum();
            assert!(
                (sum - 8 * 120).abs() <= 120 / 4,
                "{cosited:?}, {halved:?}: {sum} and not 960"
            );
            assert!(
                (redness(5) - 120).abs() <= 4 && redness(10).abs() <= 4,
                "{cosited:?}, {halved:?}"
            );
        }
    }
}

/// Pictures are written in bands: with eight rows less, they begin elsewhere, and nothing else changes.
#[test]
fn bands_do_not_show() {
    let (height, width) = (600, 20);
    let rgb: Vec<u8> = (0..height * width * 3).map(|at| (at * at / 7 % 251) as u8).collect();
    for (halved, cosited) in [
        ([true, true], [false, true]),
        ([true, true], [true, true]),
        ([false, true], [false, false]),
        ([false, false], [false, false]),
    ] {
        let layout = YuvLayout {
            halved,
            cosited,
            ..layout(Matrix::Bt709, false)
        };
        let whole = written(
            &rgb,
            [height / 4, width / 4],
            Planes::new([height, width], layout, 0, 1),
        );
        let less = Planes::new([height - 8, width], layout, 0, 1);
        let less = written(&rgb[8 * width * 3..], [height / 4 - 2, width / 4], less);
        for component in 0..3 {
            let row = whole.rows(component)[1];
            let (whole, less) = (whole.component(component), less.component(component));
            let shift = whole.len() - less.len();
            assert!(
                whole[shift + row..] == less[row..],
                "{halved:?}, {cosited:?}, component {component}"
            );
        }
    }
}

#[test]
fn samples_may_lie_anywhere() {
    let layout = layout(Matrix::Bt601, false);
    let value = |component: usize| move |y: usize, x: usize| (40 + component * 50 + 3 * y + 5 * x) as u8;
    let packed = Planes::new([5, 7], layout, 0, 1);
    let spread = Planes::new([5, 7], layout, 3, 4);
    let [packed, spread] = [packed, spread].map(|mut planes| {
        (0..3).for_each(|component| planes.fill(component, value(component)));
        planes
    });
    let expected = Frame::read(&packed.view()).unwrap();
    assert!(Frame::read(&spread.view()).unwrap() == expected);

    let rgb = [expected.rgb(); 16].concat();
    let packed = written(&rgb, [5, 7], Planes::new([20, 28], layout, 0, 1));
    let spread = written(&rgb, [5, 7], Planes::new([20, 28], layout, 3, 4));
    for component in 0..3 {
        assert!(packed.component(component) == spread.component(component));
    }
    spread.assert_gaps_are_untouched();
}

/// The whole way: what comes out is what the frame's RGB is restored to, as YUV.
#[test]
fn a_stream_restores_what_the_samples_stand_for() {
    let input_layout = layout(Matrix::Bt601, false);
    let mut input = Planes::new([17, 19], input_layout, 0, 1);
    input.fill(0, |y, x| (50 + 4 * y + 3 * x + ((x * 7) ^ (y * 13)) % 9) as u8);
    input.fill(1, |y, x| (100 + y + 2 * x) as u8);
    input.fill(2, |y, x| (140 + 2 * y - x) as u8);
    let frame = Frame::read(&input.view()).unwrap();
    let picture = Picture {
        width: 19,
        height: 17,
        data: frame.rgb().to_vec(),
    };
    // An output of another kind.
    let layout = YuvLayout {
        halved: [false, true],
        ..layout(Matrix::Bt709, true)
    };
    let mut output = Planes::new([68, 76], layout, 5, 2);
    let mut stream = Fake::new(geometry()).stream();
    stream.restore(&input.view(), &mut output.view_mut()).unwrap();
    let wanted = written(
        &expected(&picture, &picture).data,
        [17, 19],
        Planes::new([68, 76], layout, 5, 2),
    );
    assert!(output.data == wanted.data);
}

#[test]
fn views_that_do_not_fit_are_refused() {
    let good = Planes::new([4, 6], layout(Matrix::Bt601, false), 1, 2);
    let length = good.data.len();
    type Spoil = fn(&mut Planes);
    let cases: [(&str, Spoil); 9] = [
        ("no column", |planes| planes.size[1] = 0),
        ("no row", |planes| planes.size[0] = 0),
        ("no step", |planes| planes.places[1].step = 0),
        ("a stride less than a row", |planes| planes.places[2].stride = 4),
        ("too short", |planes| {
            planes.data.pop();
            planes.data.pop();
            planes.data.pop();
        }),
        ("a plane that is not there", |planes| planes.places[2].plane = 3),
        ("an empty plane", |planes| planes.places[2].plane = 1),
        ("beyond the end of numbers", |planes| {
            planes.places[0].offset = usize::MAX - 3
        }),
        ("more rows than memory", |planes| planes.size[0] = usize::MAX / 2),
    ];
    for (case, spoil) in cases {
        let mut planes = Planes::new([4, 6], layout(Matrix::Bt601, false), 1, 2);
        spoil(&mut planes);
        let ([height, width], places, layout) = (planes.size, planes.places, planes.layout);
        let view = YuvView::new([&planes.data, &[], &[]], width, height, places, layout);
        assert!(matches!(view, Err(RestoreError::Picture { .. })), "{case}");
        let unchecked = YuvView {
            planes: [&planes.data, &[], &[]],
            width,
            height,
            components: places,
            layout,
        };
        assert!(Frame::read(&unchecked).is_err(), "{case}, not checked before");
        let view = YuvViewMut::new([&mut planes.data, &mut [], &mut []], width, height, places, layout);
        assert!(matches!(view, Err(RestoreError::Picture { .. })), "{case}");
    }
    // The last row may end with its last sample, which here leaves a byte of step and one of gap.
    let view = YuvView::new([&good.data[..length - 2], &[], &[]], 6, 4, good.places, good.layout);
    assert!(view.is_ok());
}
