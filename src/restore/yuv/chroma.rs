//! Chroma samples for every pixel, and for every other: linear, at the places that the layout says.
//!
//! Weights are quarters in each direction; sums of both are rounded once, to nearest.

use super::YuvLayout;

/// The two samples that an output sample is made of in one direction, and the second one's quarters.
fn enlarging_taps(at: usize, length: usize, cosited: bool) -> (usize, usize, u16) {
    let near = (at / 2).min(length - 1);
    let far = match (at % 2, cosited) {
        (0, _) => near.saturating_sub(1),
        _ => (near + 1).min(length - 1),
    };
    let quarters = match (cosited, at % 2) {
        (false, _) => 1,
        (true, 0) => 0,
        (true, _) => 2,
    };
    (near, far, quarters)
}

/// The three samples that an output sample is made of in one direction, of which `on` is the first of its two.
fn reducing_taps(on: usize, length: usize) -> [usize; 3] {
    [on.saturating_sub(1), on, (on + 1).min(length - 1)]
}

/// Their quarters.
fn reducing_quarters(cosited: bool) -> [u16; 3] {
    if cosited { [1, 2, 1] } else { [0, 2, 2] }
}

/// Makes a packed plane of `size` rows and columns of a chroma component of a picture of that size.
pub(super) fn enlarge(plane: &[u8], size: [usize; 2], layout: &YuvLayout) -> Vec<u8> {
    let from = layout.chroma_size(size);
    let mut enlarged = Vec::with_capacity(size[0] * size[1]);
    let mut sums = vec![0; from[1]];
    let row = |y: usize| &plane[y * from[1]..(y + 1) * from[1]];
    for y in 0..size[0] {
        let (near, far, quarters) = match layout.halved[0] {
            true => enlarging_taps(y, from[0], layout.cosited[0]),
            false => (y, y, 0),
        };
        let taps = row(near).iter().zip(row(far));
        let mix = |(near, far): (&u8, &u8)| u16::from(*near) * (4 - quarters) + u16::from(*far) * quarters;
        sums.iter_mut().zip(taps.map(mix)).for_each(|(sum, mixed)| *sum = mixed);
        let value = |x: usize| match layout.halved[1] {
            true => {
                let (near, far, quarters) = enlarging_taps(x, from[1], layout.cosited[1]);
                sums[near] * (4 - quarters) + sums[far] * quarters
            }
            false => sums[x] * 4,
        };
        enlarged.extend((0..size[1]).map(|x| rounded(value(x))));
    }
    enlarged
}

/// One row of a chroma component, made of a packed plane of `size` rows and columns, of whose rows `on` is the first, or
/// the only one, that it stands for. `sums` is scratch memory.
pub(super) fn reduce_row(
    plane: &[u8],
    size: [usize; 2],
    layout: &YuvLayout,
    on: usize,
    sums: &mut Vec<u16>,
    row: &mut Vec<u8>,
) {
    let [height, width] = size;
    let line = |y: usize| &plane[y * width..(y + 1) * width];
    let (places, quarters) = match layout.halved[0] {
        true => (reducing_taps(on, height), reducing_quarters(layout.cosited[0])),
        false => ([on; 3], [0, 4, 0]),
    };
    let [before, on, after] = places.map(line);
    let taps = before.iter().zip(on).zip(after);
    let mix = |((before, on), after): ((&u8, &u8), &u8)| {
        u16::from(*before) * quarters[0] + u16::from(*on) * quarters[1] + u16::from(*after) * quarters[2]
    };
    sums.clear();
    sums.extend(taps.map(mix));
    row.clear();
    if layout.halved[1] {
        reduce_columns(sums, reducing_quarters(layout.cosited[1]), row);
    } else {
        row.extend(sums.iter().map(|sum| rounded(*sum * 4)));
    }
}

/// Every other of the sums, with its neighbours.
fn reduce_columns(sums: &[u16], quarters: [u16; 3], row: &mut Vec<u8>) {
    let weighted =
        |[before, on, after]: [u16; 3]| rounded(before * quarters[0] + on * quarters[1] + after * quarters[2]);
    let at_edge = |on: usize| weighted(reducing_taps(on, sums.len()).map(|place| sums[place]));
    // In between no tap lies outside, and the compiler makes vectors of them.
    let (pairs, last) = sums.as_chunks::<2>();
    row.push(at_edge(0));
    let inside = pairs.iter().zip(pairs.iter().skip(1));
    row.extend(inside.map(|([_, before], [on, after])| weighted([*before, *on, *after])));
    if !last.is_empty() && !pairs.is_empty() {
        row.push(at_edge(sums.len() - 1));
    }
}

/// A sum of sixteenths, at most 16 × 255.
fn rounded(sixteenths: u16) -> u8 {
    ((sixteenths + 8) >> 4) as u8
}

#[cfg(test)]
mod tests {
    use super::super::Matrix;
    use super::*;

    fn layout(halved: [bool; 2], cosited: [bool; 2]) -> YuvLayout {
        YuvLayout {
            halved,
            cosited,
            matrix: Matrix::Bt709,
            full_range: false,
        }
    }

    /// A plane that rises by 16 a pixel, sampled at the places of the layout.
    fn ramp(pixels: usize, cosited: bool) -> Vec<u8> {
        let at = |sample: usize| if cosited { 32 * sample } else { 32 * sample + 8 };
        (0..pixels / 2).map(|sample| at(sample) as u8).collect()
    }

    #[test]
    fn samples_are_where_the_layout_says() {
        for cosited in [false, true] {
            let pixels: Vec<u8> = (0..14).map(|pixel| 16 * pixel).collect();
            let samples = ramp(14, cosited);
            // Across and down; the ends, which have no neighbour, are left out.
            for (halved, from, to) in [([false, true], [1, 7], [1, 14]), ([true, false], [7, 1], [14, 1])] {
                let enlarged = enlarge(&samples, to, &layout(halved, [cosited; 2]));
                assert_eq!(enlarged[1..13], pixels[1..13], "cosited: {cosited}, {halved:?}");
                let (mut sums, mut row, mut reduced) = (Vec::new(), Vec::new(), Vec::new());
                for y in 0..from[0] {
                    let on = y * to[0] / from[0];
                    reduce_row(&pixels, to, &layout(halved, [cosited; 2]), on, &mut sums, &mut row);
                    reduced.extend_from_slice(&row);
                }
                assert_eq!(reduced[1..6], samples[1..6], "cosited: {cosited}, {halved:?}");
            }
        }
    }

    #[test]
    fn even_planes_stay_even() {
        for (halved, from) in [
            ([true, true], [3, 4]),
            ([false, true], [5, 4]),
            ([false, false], [5, 7]),
        ] {
            for cosited in [[false, false], [false, true], [true, true]] {
                for value in [0, 1, 127, 128, 254, 255] {
                    let enlarged = enlarge(&vec![value; from[0] * from[1]], [5, 7], &layout(halved, cosited));
                    assert_eq!(enlarged, vec![value; 35]);
                    let (mut sums, mut row) = (Vec::new(), Vec::new());
                    for y in 0..from[0] {
                        let on = if halved[0] { 2 * y } else { y };
                        reduce_row(&enlarged, [5, 7], &layout(halved, cosited), on, &mut sums, &mut row);
                        assert_eq!(row, vec![value; from[1]]);
                    }
                }
            }
        }
    }

    #[test]
    fn sums_are_rounded_once_to_nearest() {
        let plane = [0, 1, 1, 0];
        let (mut sums, mut row) = (Vec::new(), Vec::new());
        reduce_row(
            &plane,
            [2, 2],
            &layout([true, true], [false, false]),
            0,
            &mut sums,
            &mut row,
        );
        assert_eq!(row, [1], "a half goes up");
        reduce_row(
            &[0, 0, 1, 0],
            [2, 2],
            &layout([true, true], [false, false]),
            0,
            &mut sums,
            &mut row,
        );
        assert_eq!(row, [0], "a quarter goes down");
    }
}
