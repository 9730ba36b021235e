//! A k-d tree (Bentley 1975, Communications of the ACM 18:509): finds the points nearest to another point without
//! looking at all of them.

use ndarray::{ArrayView1, ArrayView2};
use std::collections::BinaryHeap;
use std::ops::Range;

/// The maximum number of points of a leaf.
const LEAF: usize = 32;

/// Points `[N, S]`, halved again and again at the median of their widest dimension.
#[derive(Debug, Clone)]
pub struct KdTree<'a> {
    points: ArrayView2<'a, f32>,
    /// The points' indices; those of a node lie side by side.
    order: Vec<usize>,
    nodes: Vec<TreeNode>,
}

#[derive(Debug, Clone)]
struct TreeNode {
    /// In `order`.
    members: Range<usize>,
    /// The smallest index of a member.
    least: usize,
    /// For each dimension, the smallest and the largest value of a member.
    bounds: Vec<[f32; 2]>,
    /// `None` for a leaf.
    halves: Option<[usize; 2]>,
}

/// A squared distance, as the bits of a number that is not negative (they sort like the numbers), and an index. Among
/// equally near points, the first counts as nearer.
type Rank = (u64, usize);

impl<'a> KdTree<'a> {
    pub fn new(points: ArrayView2<'a, f32>) -> KdTree<'a> {
        let mut tree = KdTree { points, order: (0..points.nrows()).collect(), nodes: Vec::new() };
        tree.add(0..points.nrows());
        tree
    }

    /// The indices of the `count` points nearest to `point [S]` by Euclidean distance, nearest first; of all points if
    /// there are fewer.
    ///
    /// # Panics
    /// If `count` is 0.
    pub fn nearest(&self, point: ArrayView1<f32>, count: usize) -> Vec<usize> {
        assert!(count > 0, "KdTree: no neighbours");
        let mut found = BinaryHeap::with_capacity(count.min(self.order.len()) + 1);
        self.search(0, point, count, &mut found);
        found.into_sorted_vec().into_iter().map(|(_, index)| index).collect()
    }

    /// Adds a node and those below it, and returns its place.
    fn add(&mut self, members: Range<usize>) -> usize {
        let order = &self.order[members.clone()];
        let bounds = |column: ArrayView1<f32>| {
            order.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[lo, hi], &i| [lo.min(column[i]), hi.max(column[i])])
        };
        let bounds: Vec<[f32; 2]> = self.points.columns().into_iter().map(bounds).collect();
        let least = order.iter().copied().min().unwrap_or(0);
        let width = |dimension: &usize| bounds[*dimension][1] - bounds[*dimension][0];
        let widest = (0..bounds.len()).max_by(|a, b| width(a).total_cmp(&width(b)));
        let place = self.nodes.len();
        self.nodes.push(TreeNode { members: members.clone(), least, bounds, halves: None });
        if let Some(widest) = widest.filter(|_| members.len() > LEAF) {
            let (column, middle) = (self.points.column(widest), members.len() / 2);
            // equal points are halved by their indices
            self.order[members.clone()]
                .select_nth_unstable_by(middle, |&a, &b| column[a].total_cmp(&column[b]).then(a.cmp(&b)));
            let middle = members.start + middle;
            let halves = [self.add(members.start..middle), self.add(middle..members.end)];
            self.nodes[place].halves = Some(halves);
        }
        place
    }

    /// Adds the members of a node that are nearer than those found.
    fn search(&self, place: usize, point: ArrayView1<f32>, count: usize, found: &mut BinaryHeap<Rank>) {
        let too_far = |rank: &Rank, found: &BinaryHeap<Rank>| {
            found.len() == count && found.peek().is_some_and(|last| last < rank)
        };
        let node = &self.nodes[place];
        if let Some(halves) = node.halves {
            let mut halves = halves.map(|half| (self.nodes[half].least_rank(point), half));
            halves.sort_unstable();
            for (rank, half) in halves {
                if !too_far(&rank, found) {
                    self.search(half, point, count, found);
                }
            }
            return;
        }
        for &index in &self.order[node.members.clone()] {
            let rank = (distance(self.points.row(index).iter().zip(point).map(|(a, b)| (*a, *b))), index);
            if !too_far(&rank, found) {
                found.push(rank);
                if found.len() > count {
                    found.pop();
                }
            }
        }
    }
}

impl TreeNode {
    /// No member comes before this rank: rounding keeps the order of sums whose terms are none larger.
    fn least_rank(&self, point: ArrayView1<f32>) -> Rank {
        let nearest = self.bounds.iter().zip(point).map(|([lo, hi], &value)| (value.clamp(*lo, *hi), value));
        (distance(nearest), self.least)
    }
}

/// The bits of `Σ (a - b)²`.
fn distance(pairs: impl Iterator<Item = (f32, f32)>) -> u64 {
    pairs.map(|(a, b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// All points by their distance and index.
    fn sorted(points: &Array2<f32>, point: ArrayView1<f32>) -> Vec<usize> {
        let rank = |i: &usize| (distance(points.row(*i).iter().zip(point).map(|(a, b)| (*a, *b))), *i);
        let mut all: Vec<usize> = (0..points.nrows()).collect();
        all.sort_by_key(rank);
        all
    }

    #[test]
    fn the_nearest_are_those_of_a_sort() {
        // scattered points; levels with many ties; a constant dimension; all points equal; none
        let scattered = |i: usize, j: usize| ((i * i * 31 + j * 17 + i * j * j) as f32).sin();
        let sets = [
            Array2::from_shape_fn((700, 3), |(i, j)| scattered(i, j)),
            Array2::from_shape_fn((700, 2), |(i, j)| if j == 0 { (i % 7) as f32 } else { (i % 2) as f32 }),
            Array2::from_shape_fn((300, 2), |(i, j)| if j == 0 { scattered(i, 0) } else { 1.0 }),
            Array2::from_elem((300, 2), 0.5),
            Array2::zeros((40, 0)),
        ];
        for points in sets {
            let tree = KdTree::new(points.view());
            for query in 0..60 {
                let point = ndarray::Array1::from_shape_fn(points.ncols(), |j| 1.5 * scattered(query + 9, j + 1));
                for count in [1, 5, 200, points.nrows(), 1000] {
                    let wanted = &sorted(&points, point.view())[..count.min(points.nrows())];
                    assert_eq!(tree.nearest(point.view(), count), wanted, "{:?}, {count}", points.dim());
                }
            }
        }
    }
}
