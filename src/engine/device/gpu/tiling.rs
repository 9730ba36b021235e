//! The tiling of matrix products on this GPU, chosen by a model of the time of each plan.

use crate::engine::dispatch::product::{MatrixProduct, SplitK, Tile, TileChooser, TilePlan};

/// The card that the plans are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Card {
    /// Compute units (NVIDIA's streaming multiprocessors).
    cores: usize,
}

impl Default for Card {
    /// An H100 or H200. Enough workgroups for it are enough for a smaller card.
    fn default() -> Self {
        Card { cores: 132 }
    }
}

/// The clocks of a second dispatch: some 3.5 µs to drain and fill the card, and as much on the CPU to record it.
const DISPATCH: usize = 12_000;
/// The bytes that a core reads from the L2 cache per clock.
const CACHE_BYTES: usize = 24;

impl Card {
    /// The card of a type of adapter. WebGPU does not report the number of cores. An integrated GPU has about 16 and
    /// gains less from a split. A software adapter gets the plans of a large card, so that tests cover these.
    pub fn of(kind: wgpu::DeviceType) -> Self {
        match kind {
            wgpu::DeviceType::IntegratedGpu => Card { cores: 16 },
            _ => Card::default(),
        }
    }

    /// The clocks of a stage on a core. A core does 128 multiply-adds per clock, and a stage has `side^2 depth` of
    /// them: 512, 1024 or 2048 clocks. Small tiles wait for half that time more for workgroup memory
    /// (`shaders/common/gemm.wgsl`) and for loads (16 KiB, 680 clocks); middle ones join their slices.
    fn stage(tile: Tile) -> usize {
        match tile {
            Tile::Small => 768,
            Tile::Middle => 1100,
            Tile::Large => 2048,
        }
    }

    /// The clocks of a plan.
    fn clocks(self, plan: &TilePlan, products: &[MatrixProduct]) -> usize {
        let stages = |split: &SplitK| split.depth / plan.tile.depth();
        let longest = plan.split_k.iter().map(stages).max().unwrap_or(0);
        let workgroups: usize = plan.split_k.iter().map(SplitK::workgroups).sum();
        let all: usize = plan.split_k.iter().map(|split| split.workgroups() * stages(split)).sum();
        // the busiest core's number of workgroups, of average length
        let shared = workgroups.div_ceil(self.cores) * all / workgroups.max(1);
        let split = || plan.split_k.iter().zip(products).filter(|(split, _)| split.splits > 1);
        // written once and read once
        let partial_bytes: usize = split().map(|(split, product)| 2 * 4 * split.splits * product.sums()).sum();
        let join = if split().next().is_some() { DISPATCH + partial_bytes / (CACHE_BYTES * self.cores) } else { 0 };
        longest.max(shared) * Self::stage(plan.tile) + join
    }
}

impl TileChooser for Card {
    /// The cheapest plan.
    ///
    /// If there is a core for each workgroup, all start together, and the one with the most terms takes longest. If
    /// there are more workgroups than cores, the cores share all stages. A split shortens the sums of a workgroup and
    /// costs a second dispatch, which adds the partial sums.
    fn plan(&self, products: &[MatrixProduct]) -> TilePlan {
        let candidates = Tile::ALL.into_iter().flat_map(|tile| [false, true].map(|split| (tile, split)));
        let planned = candidates.map(|(tile, split)| {
            let mut plan = TilePlan { tile, split_k: [SplitK::NONE; 2] };
            for (split_k, product) in plan.split_k.iter_mut().zip(products) {
                // a split makes as many workgroups as there are cores
                let wanted = if split { self.cores / product.tiles(tile).max(1) } else { 1 };
                *split_k = product.split(tile, wanted);
            }
            (self.clocks(&plan, products), plan)
        });
        planned.min_by_key(|(clocks, _)| *clocks).expect("at least one candidate").1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::op::GpuOp;
    use crate::engine::ops::Linear;

    fn one(rows: usize, columns: usize, depth: usize) -> TilePlan {
        Card::default().plan(&[MatrixProduct { rows, columns: &[columns], depth }])
    }

    #[test]
    fn large_products_have_large_tiles_and_small_batches_small_ones() {
        assert_eq!(one(4096, 4096, 4096).tile, Tile::Large);
        assert_eq!(one(256, 2048, 1024).tile, Tile::Middle);
        // a batch of 32 through every Linear of the documented model
        for (inner, outputs) in [(207, 512), (512, 256), (64, 128), (512, 1024), (1024, 2048), (1024, 512), (7, 512)] {
            let plan = one(32, outputs, inner);
            assert_eq!((plan.tile, plan.split_k[0].splits), (Tile::Small, 1), "{inner} to {outputs}");
        }
    }

    #[test]
    fn few_tiles_of_many_terms_are_split() {
        let plan = one(32, 200, 2048);
        assert_eq!(plan.tile, Tile::Small);
        assert!(plan.split_k[0].splits >= 8, "{plan:?}");
        // both products of a backward pass: few rows leave dW whole, many leave dx whole
        let both = |rows: usize, inner, outputs| {
            let (dx, dw) = (
                MatrixProduct { rows, columns: &[inner], depth: outputs },
                MatrixProduct { rows: inner, columns: &[outputs], depth: rows },
            );
            Card::default().plan(&[dx, dw]).split_k.map(|split| split.splits)
        };
        let [few, many] = [both(3, 64, 2048), both(4096, 512, 256)];
        assert!(few[0] > 1 && few[1] == 1, "{few:?}");
        assert!(many[0] == 1 && many[1] > 1, "{many:?}");
        // the rest of the pass hides a long sum: another dispatch would take longer
        assert_eq!(both(32, 1024, 2048), [1, 1]);
    }

    #[test]
    fn only_gradients_that_are_wanted_are_computed() {
        let [rows, inner, outputs] = [64, 200, 130];
        let card = Card::default();
        let tiles = |wanted: [bool; 3]| {
            let targets = wanted.map(|wanted| wanted.then_some(true));
            let shapes = [[rows, inner], [outputs, inner], [1, outputs]];
            let dispatches = Linear.backward_dispatches(&shapes, &[[rows, outputs]], &targets, &card);
            dispatches.iter().map(|dispatch| dispatch.workgroups).sum::<usize>()
        };
        let workgroups = |rows, columns, depth| {
            card.plan(&[MatrixProduct { rows, columns: &[columns], depth }]).split_k[0].workgroups()
        };
        let (dx, dw) = (workgroups(rows, inner, outputs), workgroups(inner, outputs, rows));
        assert_eq!(tiles([true, false, false]), dx);
        assert_eq!(tiles([false, true, false]), dw);
        assert_eq!(tiles([false, false, true]), dw);
        assert_eq!(tiles([true; 3]), dx + dw);
        assert_eq!(tiles([false; 3]), 0);
    }

    #[test]
    fn a_small_card_splits_less() {
        let product = || MatrixProduct { rows: 32, columns: &[200], depth: 2048 };
        let splits = |card: Card| card.plan(&[product()]).split_k[0].splits;
        assert!(splits(Card::of(wgpu::DeviceType::IntegratedGpu)) < splits(Card::default()));
    }
}
