//! The tile planner and the blending, against the reference's golden cases and for arbitrary sizes.

use gstdloralvsr::restore::blend::{PictureBlender, Weights, Window, add_latent_tile};
use gstdloralvsr::restore::plan::{TilePlan, TileRule, padded_size};
use ndarray::{Array2, Array3, Array4, Axis, Zip, s};
use ndarray_npy::NpzReader;
use proptest::prelude::*;

/// The golden cases' tiling.
const GOLDEN_RULE: TileRule = TileRule {
    tile: 24,
    overlap: 8,
    min: 1,
    multiple: 1,
    square: true,
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
            let share = [&weights.rows[row][..], &weights.columns[column][..]];
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
    let rule = TileRule {
        tile: 24,
        overlap: 8,
        min: 1,
        multiple: 1,
        square: true,
    };
    assert!(TilePlan::new(18, 32, &rule).is_whole());
    assert!(!TilePlan::new(18, 33, &rule).is_whole());
    assert!(TilePlan::new(500, 700, &TileRule { tile: 0, ..rule }).is_whole());
}

#[test]
fn a_narrow_picture_is_not_cut_into_slivers() {
    let rule = TileRule {
        tile: 96,
        overlap: 32,
        min: 16,
        multiple: 1,
        square: true,
    };
    let plan = TilePlan::new(33, 1000, &rule);
    assert_eq!((plan.tile, plan.overlap), ([33, 33], 16));
}

#[test]
fn free_shapes_cover_large_pictures_with_little_more_than_their_area() {
    // The embedded pack's sizes. Pictures up to 4096×4096 pixels have up to 2048×2048 samples.
    let rule = TileRule {
        tile: 384,
        overlap: 32,
        min: 8,
        multiple: 2,
        square: false,
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
fn rules() -> impl Strategy<Value = TileRule> {
    (1..5_usize, 1..6_usize, 0..8_usize, 0..40_usize, any::<bool>()).prop_map(
        |(multiple, min, tile, overlap, square)| {
            let min = min * multiple;
            TileRule {
                tile: if tile == 0 { 0 } else { min + tile * multiple },
                overlap,
                min,
                multiple,
                square,
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
            if rule.square {
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
        let work = |square| {
            let plan = TilePlan::new(height, width, &TileRule { square, ..rule });
            plan.rows.len() * plan.columns.len() * plan.tile[0] * plan.tile[1]
        };
        prop_assert!(work(false) <= work(true));
    }

    #[test]
    fn weights_sum_to_one(height in 1..200_usize, width in 1..200_usize, rule in rules(), scale in 1..9_usize) {
        let (height, width) = padded_size(height, width, &[rule]);
        let plan = TilePlan::new(height, width, &rule);
        for window in [Window::Gaussian, Window::Feather] {
            let weights = Weights::new(&plan, window, scale);
            let axes = [(&plan.rows, &weights.rows, height), (&plan.columns, &weights.columns, width)];
            for (starts, weights, length) in axes {
                let mut sums = vec![0.0; length * scale];
                for (start, tile) in starts.iter().zip(weights) {
                    tile.iter().zip(&mut sums[start * scale..]).for_each(|(weight, sum)| *sum += f64::from(*weight));
                }
                prop_assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6), "{window:?}: {sums:?}");
                prop_assert!(weights.iter().flatten().all(|weight| *weight >= 0.0));
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
        let weights = Weights::new(&plan, Window::Feather, scale);
        let mut blender = PictureBlender::default();
        let mut blended = vec![0; picture.len()];
        blender.start(width, tile_height);
        for (row, top) in plan.rows.iter().enumerate() {
            for (column, left) in plan.columns.iter().enumerate() {
                let rows = picture.chunks_exact(width * 3).skip(top * scale).take(tile_height);
                let span = left * scale * 3..(left * scale + tile_width) * 3;
                let tile: Vec<u8> = rows.flat_map(|row| row[span.clone()].iter().copied()).collect();
                blender.add(&tile, left * scale, &weights.rows[row], &weights.columns[column]);
            }
            let next = plan.rows.get(row + 1).map_or(height, |next| next * scale);
            blender.finish_rows(&mut blended, top * scale..next);
        }
        prop_assert_eq!(blended, picture);
    }
}
