//! The tiling of a matrix product on a GPU: the size of the tiles, and whether several workgroups share the sums of a
//! tile (split-K). The device chooses; ops get its choice through [`TileChooser`].

use super::WORKGROUP_SIZE;

/// The side of the tile that one workgroup computes (`TILE` in `shaders/common/gemm.wgsl`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tile {
    Small = 32,
    Middle = 64,
    Large = 128,
}

/// A matrix product: `rows` x `columns` sums of `depth` terms each. The columns may form several groups; no tile spans
/// two of them.
#[derive(Debug, Clone)]
pub struct MatrixProduct<'a> {
    pub rows: usize,
    pub columns: &'a [usize],
    pub depth: usize,
}

/// The tiles of one dispatch, for its one or two products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePlan {
    pub tile: Tile,
    pub split_k: [SplitK; 2],
}

/// How the sums of one product are split: `splits` workgroups compute each tile, each from `depth` of the terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitK {
    pub tiles: usize,
    pub splits: usize,
    pub depth: usize,
}

/// Chooses the tiling of the products of a dispatch.
pub trait TileChooser {
    /// The plan for one product, or for two in one dispatch.
    fn plan(&self, products: &[MatrixProduct]) -> TilePlan;
}

/// The numbers of both operands that fit into workgroup memory: all 16 KiB that WebGPU guarantees.
pub const STAGED: usize = 4096;

impl Tile {
    pub const ALL: [Tile; 3] = [Tile::Large, Tile::Middle, Tile::Small];

    pub fn side(self) -> usize {
        self as usize
    }

    /// The terms that a workgroup loads into workgroup memory at a time: one stage.
    pub fn depth(self) -> usize {
        STAGED / 2 / self.side()
    }
}

impl MatrixProduct<'_> {
    /// The number of tiles that cover all sums.
    pub fn tiles(&self, tile: Tile) -> usize {
        self.rows.div_ceil(tile.side())
            * self.columns.iter().map(|columns| columns.div_ceil(tile.side())).sum::<usize>()
    }

    /// The number of sums.
    pub fn sums(&self) -> usize {
        self.rows * self.columns.iter().sum::<usize>()
    }

    /// Splits each tile among `wanted` workgroups, or among one per stage if there are fewer stages.
    pub fn split(&self, tile: Tile, wanted: usize) -> SplitK {
        let (tiles, stages) = (self.tiles(tile), self.depth.div_ceil(tile.depth()).max(1));
        if tiles == 0 {
            return SplitK::NONE;
        }
        let stages_of_one = stages.div_ceil(wanted.clamp(1, stages));
        SplitK { tiles, splits: stages.div_ceil(stages_of_one), depth: stages_of_one * tile.depth() }
    }
}

impl SplitK {
    pub const NONE: SplitK = SplitK { tiles: 0, splits: 1, depth: 0 };

    pub fn workgroups(&self) -> usize {
        self.tiles * self.splits
    }
}

const _: () = assert!(STAGED * 4 <= 16 << 10 && STAGED / 16 == WORKGROUP_SIZE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_is_in_one_split_and_splits_begin_at_whole_stages() {
        for (rows, columns, depth) in
            [(1, 1, 1), (5, 3, 0), (32, 200, 2048), (3, 5, 2049), (700, 700, 17), (64, 7, 100_000)]
        {
            for (tile, wanted) in Tile::ALL.into_iter().flat_map(|tile| [1, 2, 7, 132].map(|wanted| (tile, wanted))) {
                let split = MatrixProduct { rows, columns: &[columns], depth }.split(tile, wanted);
                let SplitK { splits, depth: deep, .. } = split;
                assert!(splits * deep >= depth && (splits - 1) * deep < depth.max(1), "{split:?}");
                assert_eq!(deep % tile.depth(), 0);
                assert_eq!(tile.side() * tile.depth() * 2, STAGED);
            }
        }
    }

    #[test]
    fn no_tile_spans_two_groups() {
        let product = MatrixProduct { rows: 33, columns: &[1, 31, 33], depth: 5 };
        assert_eq!(product.tiles(Tile::Small), 2 * (1 + 1 + 2));
    }
}
