//! The tile planner and the blending, against the reference's golden cases and for arbitrary sizes.

use gstdloralvsr::pack::{GraphSizes, TileBatch, TileShape};
use gstdloralvsr::restore::blend::{PictureBlender, Weights, Window, add_latent_tile};
use gstdloralvsr::restore::plan::{TilePlan, padded_size};
use ndarray::{Array2, Array3, Array4, Axis, Zip, s};
use ndarray_npy::NpzReader;
use proptest::prelude::*;

/// The golden cases' tiling.
const GOLDEN_RULE: GraphSizes = GraphSizes {
    tile: 24,
    overlap: 8,
    min: 1,
    multiple: 1,
    shape: TileShape::Square,
    batch: TileBatch::One,
};
const GOLDEN_SIZES: [[usize; 2]; 4] = [[20, 64], [24, 70], [33, 47], [40, 56]];

fn golden(name: &str) -> NpzReader<std::fs::File> {
    let path = format!("{}/tests/golden/{name}.npz", env!("CARGO_MANIFEST_DIR"));
    NpzReader::new(std::fs::File::open(path).unwrap()).unwrap()
}

#[test]
fn gaussian_weights_are_the_references() {
    let mut archive = golden("gaussian_weights");
    for length in [8, 24, 25] {
        let expected: Array2<f64> = archive.by_name(&format!("w{length}")).unwrap();
        let (down, across) = (Window::Gaussian.down(length, 0), Window::Gaussian.across(length, 0));
        for ((y, x), expected) in expected.indexed_iter() {
            let actual = down[y] * across[x];
            assert!(
                (actual - expected).abs() <= 1e-12 * expected,
                "({y}, {x}) of {length}: {actual} for {expected}"
            );
        }
    }
}

#[test]
fn tiles_lie_where_the_reference_puts_them() {
    for [height, width] in GOLDEN_SIZES {
        let expected: Array2<i32> = golden(&format!("tiles_{height}x{width}"))
            .by_name("offsets_xy")
            .unwrap();
        // The reference walks down the columns, the plan along the rows.
        let mut expected: Vec<_> = expected
            .rows()
            .into_iter()
            .map(|xy| (xy[1] as usize, xy[0] as usize))
            .collect();
        expected.sort_unstable();
        let plan = TilePlan::new(height, width, &GOLDEN_RULE);
        let actual: Vec<_> = plan
            .tiles()
            .map(|(row, column)| (plan.rows[row], plan.columns[column]))
            .collect();
        assert_eq!(actual, expected, "{height}x{width}");
        assert_eq!(plan.tile, [height.min(width).min(24); 2]);
    }
}

/// The stub that the golden cases were made with, on one tile.
fn golden_restore(previous: ndarray::ArrayView3<'_, f32>, current: ndarray::ArrayView3<'_, f32>) -> Array4<f32> {
    let (channels, height, width) = current.dim();
    let ramp = |at: usize, length: usize| -1.0 + 2.0 * at as f32 / (length - 1) as f32;
    let restored = Array3::from_shape_fn((channels, height, width), |(c, y, x)| {
        let (down, across) = (ramp(y, height), ramp(x, width));
        let aligned = 0.9 * previous[[channels - 1 - c, y, x]];
        current[[c, y, x]] - (0.5 * current[[c, y, x]] + 0.1 * aligned + 0.3 * down * across + 0.2 * down)
    });
    restored.insert_axis(Axis(0))
}

#[test]
fn blended_tiles_are_the_references() {
    for [height, width] in GOLDEN_SIZES {
        let mut archive = golden(&format!("tiles_{height}x{width}"));
        let latents: Array4<f32> = archive.by_name("latents").unwrap();
        let expected: Array4<f32> = archive.by_name("x_denoised").unwrap();
        let plan = TilePlan::new(height, width, &GOLDEN_RULE);
        let weights = Weights::new(&plan, Window::Gaussian, 1);
        let mut blended = Array4::<f32>::zeros(expected.raw_dim());
        for (row, column) in plan.tiles() {
            let (top, left) = (plan.rows[row], plan.columns[column]);
            let place = s![.., .., top..top + plan.tile[0], left..left + plan.tile[1]];
            let tile = latents.slice(place);
            let restored = golden_restore(tile.index_axis(Axis(0), 0), tile.index_axis(Axis(0), 1));
            let share = [&weights.rows[row].weights[..], &weights.columns[column].weights[..]];
            add_latent_tile(blended.view_mut(), restored.view(), [top, left], share);
        }
        let worst = Zip::from(&blended)
            .and(&expected)
            .fold(0.0_f32, |worst, a, b| worst.max((a - b).abs()));
        assert!(worst <= 3e-5, "{height}x{width}: off by {worst}");
    }
}

#[test]
fn a_picture_of_the_tiles_area_is_whole() {
    let rule = GraphSizes {
        tile: 24,
        overlap: 8,
        min: 1,
        multiple: 1,
        shape: TileShape::Square,
        batch: TileBatch::One,
    };
    assert!(TilePlan::new(18, 32, &rule).is_whole());
    assert!(!TilePlan::new(18, 33, &rule).is_whole());
    assert!(TilePlan::new(500, 700, &GraphSizes { tile: 0, ..rule }).is_whole());
}

#[test]
fn all_calls_have_equally_many_tiles() {
    let rule = GraphSizes {
        tile: 16,
        overlap: 4,
        min: 8,
        multiple: 1,
        shape: TileShape::Square,
        batch: TileBatch::One,
    };
    // One row, of so many tiles.
    let batch = |tiles: usize, most| TilePlan::new(16, 12 * tiles + 4, &rule).batch(most);
    assert_eq!(
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(|tiles| batch(tiles, 4)),
        [1, 2, 3, 4, 1, 3, 1, 4, 3, 2]
    );
    assert_eq!([1, 2, 6].map(|tiles| batch(tiles, 1)), [1, 1, 1]);
}

#[test]
fn a_narrow_picture_is_not_cut_into_slivers() {
    let rule = GraphSizes {
        tile: 96,
        overlap: 32,
        min: 16,
        multiple: 1,
        shape: TileShape::Square,
        batch: TileBatch::One,
    };
    let plan = TilePlan::new(33, 1000, &rule);
    assert_eq!((plan.tile, plan.overlap), ([33, 33], 16));
}

#[test]
fn free_shapes_cover_large_pictures_with_little_more_than_their_area() {
    // The embedded pack's sizes. Pictures up to 4096×4096 pixels have up to 2048×2048 samples.
    let rule = GraphSizes {
        tile: 384,
        overlap: 32,
        min: 8,
        multiple: 2,
        shape: TileShape::Free,
        batch: TileBatch::One,
    };
    for [height, width] in [
        [360, 640],
        [540, 960],
        [960, 540],
        [720, 1280],
        [1080, 2048],
        [2048, 2048],
        [128, 2048],
    ] {
        let plan = TilePlan::new(height, width, &rule);
        let work = plan.rows.len() * plan.columns.len() * plan.tile[0] * plan.tile[1];
        let surplus = work as f64 / (height * width) as f64;
        assert!(
            surplus <= 1.25,
            "{height}x{width}: {surplus} with tiles of {:?}",
            plan.tile
        );
    }
    let plan = TilePlan::new(540, 960, &rule);
    assert_eq!(
        (plan.tile, plan.rows, plan.columns),
        ([286, 496], vec![0, 254], vec![0, 464])
    );
}

/// Rules as packs may have them.
fn rules() -> impl Strategy<Value = GraphSizes> {
    (1..5_usize, 1..6_usize, 0..8_usize, 0..40_usize, any::<bool>()).prop_map(
        |(multiple, min, tile, overlap, square)| {
            let min = min * multiple;
            GraphSizes {
                tile: if tile == 0 { 0 } else { min + tile * multiple },
                overlap,
                min,
                multiple,
                shape: if square { TileShape::Square } else { TileShape::Free },
                batch: TileBatch::One,
            }
        },
    )
}

proptest! {
    #[test]
    fn padding_satisfies_every_rule(height in 1..200_usize, width in 1..200_usize, rules in prop::array::uniform3(rules())) {
        let (padded_height, padded_width) = padded_size(height, width, &rules);
        prop_assert!(padded_height >= height && padded_width >= width);
        for rule in rules {
            for side in [padded_height, padded_width] {
                prop_assert!(side >= rule.min && side.is_multiple_of(rule.multiple));
            }
        }
        // As little as can be: what satisfies them is left as it is.
        prop_assert_eq!(padded_size(padded_height, padded_width, &rules), (padded_height, padded_width));
    }

    #[test]
    fn every_tile_obeys_the_rule(height in 1..300_usize, width in 1..300_usize, rule in rules()) {
        let (height, width) = padded_size(height, width, &[rule]);
        let plan = TilePlan::new(height, width, &rule);
        let [tile_height, tile_width] = plan.tile;
        if plan.is_whole() {
            prop_assert_eq!(plan.tile, [height, width]);
        } else {
            prop_assert!(height * width > rule.tile * rule.tile);
            prop_assert!(tile_height * tile_width <= rule.tile * rule.tile, "more memory than a square");
            if rule.shape == TileShape::Square {
                prop_assert_eq!(tile_height, tile_width);
                prop_assert_eq!(tile_height, rule.tile.min(height).min(width));
                prop_assert!(plan.overlap * 2 <= tile_height);
            } else {
                prop_assert!(plan.overlap * 2 <= rule.tile);
            }
        }
        for (starts, side, length) in [(&plan.rows, tile_height, height), (&plan.columns, tile_width, width)] {
            prop_assert!(side >= rule.min && side.is_multiple_of(rule.multiple));
            prop_assert_eq!(starts[0], 0);
            prop_assert_eq!(starts[starts.len() - 1] + side, length);
            for pair in starts.windows(2) {
                prop_assert!(pair[0] < pair[1] && pair[1] + plan.overlap <= pair[0] + side, "gap or overlap too small");
            }
            prop_assert!(starts.iter().all(|start| start.is_multiple_of(rule.multiple)));
        }
    }

    #[test]
    fn free_shapes_are_no_more_work_than_squares(height in 1..400_usize, width in 1..400_usize, rule in rules()) {
        let (height, width) = padded_size(height, width, &[rule]);
        // Of a picture at least a tile wide and high: of a narrower one squares may overlap less than asked for.
        prop_assume!(height.min(width) >= rule.tile);
        let work = |shape| {
            let plan = TilePlan::new(height, width, &GraphSizes { shape, ..rule });
            plan.rows.len() * plan.columns.len() * plan.tile[0] * plan.tile[1]
        };
        prop_assert!(work(TileShape::Free) <= work(TileShape::Square));
    }

    #[test]
    fn weights_sum_to_one(height in 1..200_usize, width in 1..200_usize, rule in rules(), scale in 1..9_usize) {
        let (height, width) = padded_size(height, width, &[rule]);
        let plan = TilePlan::new(height, width, &rule);
        for window in [Window::Gaussian, Window::Feather] {
            let weights = Weights::new(&plan, window, scale);
            let axes = [(&plan.rows, &weights.rows, height), (&plan.columns, &weights.columns, width)];
            for (starts, shares, length) in axes {
                let (mut sums, mut covered) = (vec![0.0; length * scale], vec![0; length * scale]);
                for (start, share) in starts.iter().zip(shares) {
                    for (at, weight) in share.weights.iter().enumerate() {
                        sums[start * scale + at] += f64::from(*weight);
                        covered[start * scale + at] += 1;
                    }
                    prop_assert!(share.weights.iter().all(|weight| *weight >= 0.0));
                }
                prop_assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6), "{window:?}: {sums:?}");
                for (start, share) in starts.iter().zip(shares) {
                    for at in 0..share.weights.len() {
                        prop_assert_eq!(share.alone.contains(&at), covered[start * scale + at] == 1);
                    }
                }
            }
        }
    }

    #[test]
    fn cutting_and_blending_gives_the_picture_back(
        height in 1..60_usize, width in 1..60_usize, rule in rules(), scale in 1..4_usize, seed: u64
    ) {
        let (height, width) = padded_size(height, width, &[rule]);
        let plan = TilePlan::new(height, width, &rule);
        let [tile_height, tile_width] = plan.tile.map(|side| side * scale);
        let (height, width) = (height * scale, width * scale);
        let value = |at: usize| ((at as u64).wrapping_mul(seed | 1) >> 7) as u8;
        let picture: Vec<u8> = (0..height * width * 3).map(value).collect();
        let part = |_, top: usize, left: usize| -> Vec<u8> {
            let rows = picture.chunks_exact(width * 3).skip(top).take(tile_height);
            rows.flat_map(|row| row[left * 3..(left + tile_width) * 3].iter().copied()).collect()
        };
        let blended = blend(&plan, [height, width], scale, Window::Feather, part);
        prop_assert_eq!(blended, picture);
    }

    /// Tiles that have nothing to do with each other, against sums over whole pictures.
    #[test]
    fn every_pixel_is_the_weighted_sum_of_its_tiles(
        height in 1..60_usize, width in 1..60_usize, rule in rules(), scale in 1..4_usize, seed: u64
    ) {
        let (height, width) = padded_size(height, width, &[rule]);
        let plan = TilePlan::new(height, width, &rule);
        let [tile_height, tile_width] = plan.tile.map(|side| side * scale);
        let (height, width) = (height * scale, width * scale);
        let tile = |number: usize| -> Vec<u8> {
            let value = |at: usize| ((at + 1) as u64 * (number + 1) as u64).wrapping_mul(seed | 1).rotate_left(9) as u8;
            (0..tile_height * tile_width * 3).map(value).collect()
        };
        for window in [Window::Gaussian, Window::Feather] {
            let blended = blend(&plan, [height, width], scale, window, |number, _, _| tile(number));
            let (weights, mut sums) = (Weights::new(&plan, window, scale), vec![0.0_f64; height * width * 3]);
            for (number, (row, column)) in plan.tiles().enumerate() {
                let (tile, [top, left]) = (tile(number), [plan.rows[row] * scale, plan.columns[column] * scale]);
                for (at, value) in tile.iter().enumerate() {
                    let (y, x) = (at / 3 / tile_width, at / 3 % tile_width);
                    let weight = weights.rows[row].weights[y] * weights.columns[column].weights[x];
                    sums[((top + y) * width + left + x) * 3 + at % 3] += f64::from(weight) * f64::from(*value);
                }
            }
            let worst = blended.iter().zip(&sums).map(|(value, sum)| (f64::from(*value) - sum).abs()).fold(0.0, f64::max);
            prop_assert!(worst < 0.501, "{window:?}: {worst}");
        }
    }
}

/// Blends tiles that `tile` gives for their number, top and left, in pixels.
fn blend(
    plan: &TilePlan,
    [height, width]: [usize; 2],
    scale: usize,
    window: Window,
    tile: impl Fn(usize, usize, usize) -> Vec<u8>,
) -> Vec<u8> {
    let weights = Weights::new(plan, window, scale);
    let mut blender = PictureBlender::default();
    let mut blended = vec![0; height * width * 3];
    blender.start(width, plan.tile[0] * scale);
    for (number, (row, column)) in plan.tiles().enumerate() {
        let [top, left] = [plan.rows[row] * scale, plan.columns[column] * scale];
        let shares = [&weights.rows[row], &weights.columns[column]];
        blender.add(&mut blended, &tile(number, top, left), [top, left], shares);
        if column + 1 == plan.columns.len() {
            let next = plan.rows.get(row + 1).map_or(height, |next| next * scale);
            blender.finish_rows(&mut blended, top..next, shares[0]);
        }
    }
    blended
}
