//! How a matrix product is cut for a GPU: into which tiles, and whether their sums are split.

use super::LANES;

/// The side of what one workgroup computes (`TILE` in `shaders/common/gemm.wgsl`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tile {
    Small = 32,
    Middle = 64,
    Large = 128,
}

/// Sums `rows` x `columns`, of `depth` terms each. The columns may be of several groups, which no tile spans.
#[derive(Debug, Clone)]
pub struct Product<'a> {
    pub rows: usize,
    pub columns: &'a [usize],
    pub depth: usize,
}

/// The tiles of one dispatch, and for each of its products how many workgroups share the terms of a tile, and how many
/// terms each of them has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub tile: Tile,
    pub cuts: [Cut; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub tiles: usize,
    pub splits: usize,
    pub deep: usize,
}

/// Numbers of both operands in workgroup memory: all 16 KiB that WebGPU promises.
const STAGED: usize = 4096;
/// Cores of the card that the plans are made for, an H100 or H200; what fills it fills a smaller one.
const CORES: usize = 132;
/// Clocks that a second dispatch takes: some 3.5 µs to drain and fill the card, and as much on the CPU that records it.
const DISPATCH: usize = 12_000;
/// Bytes that all cores together get from the second cache in a clock.
const BYTES: usize = 24 * CORES;

impl Tile {
    const ALL: [Tile; 3] = [Tile::Large, Tile::Middle, Tile::Small];

    pub fn side(self) -> usize {
        self as usize
    }

    /// Terms that a workgroup stages at a time, which is a step.
    pub fn depth(self) -> usize {
        STAGED / 2 / self.side()
    }

    /// Clocks of a step on a core. A core makes 128 multiply-adds a clock, a step has `side^2 depth` of them: 512,
    /// 1024, 2048 clocks. Small tiles wait for workgroup memory half as long again (`shaders/common/gemm.wgsl`), and
    /// for what they fetch (16 KiB, 680 clocks); middle ones join their slices.
    fn step(self) -> usize {
        match self {
            Tile::Small => 768,
            Tile::Middle => 1100,
            Tile::Large => 2048,
        }
    }
}

impl Product<'_> {
    fn tiles(&self, tile: Tile) -> usize {
        self.rows.div_ceil(tile.side())
            * self.columns.iter().map(|columns| columns.div_ceil(tile.side())).sum::<usize>()
    }

    fn sums(&self) -> usize {
        self.rows * self.columns.iter().sum::<usize>()
    }

    /// Whole, or split so far that its workgroups fill the card once.
    fn cut(&self, tile: Tile, split: bool) -> Cut {
        let (tiles, steps) = (self.tiles(tile), self.depth.div_ceil(tile.depth()).max(1));
        if tiles == 0 {
            return Cut::NONE;
        }
        let wanted = if split { (CORES / tiles).clamp(1, steps) } else { 1 };
        let steps_of_one = steps.div_ceil(wanted);
        Cut { tiles, splits: steps.div_ceil(steps_of_one), deep: steps_of_one * tile.depth() }
    }
}

impl Cut {
    const NONE: Cut = Cut { tiles: 0, splits: 1, deep: 0 };

    pub fn groups(&self) -> usize {
        self.tiles * self.splits
    }
}

/// The cheapest plan for one product, or for two in one dispatch.
///
/// All workgroups start together if there is a core for each: then the one with most terms takes longest. If there are
/// more, the cores share all steps. A split makes chains shorter and costs a second dispatch, which adds the partial
/// sums up.
pub fn plan(products: &[Product]) -> Plan {
    let candidates = Tile::ALL.into_iter().flat_map(|tile| [false, true].map(|split| (tile, split)));
    let planned = candidates.map(|(tile, split)| {
        let mut plan = Plan { tile, cuts: [Cut::NONE; 2] };
        plan.cuts.iter_mut().zip(products).for_each(|(cut, product)| *cut = product.cut(tile, split));
        (clocks(&plan, products), plan)
    });
    planned.min_by_key(|(clocks, _)| *clocks).expect("some candidates").1
}

/// What a plan takes.
fn clocks(plan: &Plan, products: &[Product]) -> usize {
    let steps = |cut: &Cut| cut.deep / plan.tile.depth();
    let longest = plan.cuts.iter().map(steps).max().unwrap_or(0);
    let groups: usize = plan.cuts.iter().map(Cut::groups).sum();
    let all: usize = plan.cuts.iter().map(|cut| cut.groups() * steps(cut)).sum();
    // as many workgroups on the busiest core as it gets, of the average length
    let shared = groups.div_ceil(CORES) * all / groups.max(1);
    let split = || plan.cuts.iter().zip(products).filter(|(cut, _)| cut.splits > 1);
    // written, and read again
    let partial_bytes: usize = split().map(|(cut, product)| 2 * 4 * cut.splits * product.sums()).sum();
    let join = if split().next().is_some() { DISPATCH + partial_bytes / BYTES } else { 0 };
    longest.max(shared) * plan.tile.step() + join
}

const _: () = assert!(STAGED * 4 <= 16 << 10 && STAGED / 16 == LANES);

#[cfg(test)]
mod tests {
    use super::*;

    fn one(rows: usize, columns: usize, depth: usize) -> Plan {
        plan(&[Product { rows, columns: &[columns], depth }])
    }

    #[test]
    fn large_products_have_large_tiles_and_small_batches_small_ones() {
        assert_eq!(one(4096, 4096, 4096).tile, Tile::Large);
        assert_eq!(one(256, 2048, 1024).tile, Tile::Middle);
        // a batch of 32 through every Linear of the documented model
        for (inner, outputs) in [(207, 512), (512, 256), (64, 128), (512, 1024), (1024, 2048), (1024, 512), (7, 512)] {
            let plan = one(32, outputs, inner);
            assert_eq!((plan.tile, plan.cuts[0].splits), (Tile::Small, 1), "{inner} to {outputs}");
        }
    }

    #[test]
    fn few_tiles_of_many_terms_are_split() {
        let plan = one(32, 200, 2048);
        assert_eq!(plan.tile, Tile::Small);
        assert!(plan.cuts[0].splits >= 8, "{plan:?}");
        // both products of a backward pass: few rows leave dW whole, many leave dx whole
        let both = |rows: usize, inner, outputs| {
            let (dx, dw) = (
                Product { rows, columns: &[inner], depth: outputs },
                Product { rows: inner, columns: &[outputs], depth: rows },
            );
            super::plan(&[dx, dw]).cuts.map(|cut| cut.splits)
        };
        let [few, many] = [both(3, 64, 2048), both(4096, 512, 256)];
        assert!(few[0] > 1 && few[1] == 1, "{few:?}");
        assert!(many[0] == 1 && many[1] > 1, "{many:?}");
        // the rest of a pass hides a long chain: another dispatch would take longer
        assert_eq!(both(32, 1024, 2048), [1, 1]);
    }

    #[test]
    fn every_term_is_in_one_split_and_splits_begin_at_whole_steps() {
        for (rows, columns, depth) in
            [(1, 1, 1), (5, 3, 0), (32, 200, 2048), (3, 5, 2049), (700, 700, 17), (64, 7, 100_000)]
        {
            let Plan { tile, cuts: [cut, _] } = one(rows, columns, depth);
            assert!(cut.splits * cut.deep >= depth && (cut.splits - 1) * cut.deep < depth.max(1), "{cut:?}");
            assert_eq!(cut.deep % tile.depth(), 0);
            assert_eq!(tile.side() * tile.depth() * 2, STAGED);
        }
    }

    #[test]
    fn no_tile_spans_two_groups() {
        let product = Product { rows: 33, columns: &[1, 31, 33], depth: 5 };
        assert_eq!(product.tiles(Tile::Small), 2 * (1 + 1 + 2));
    }
}
