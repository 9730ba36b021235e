//! Compares each micro-kernel with sums in f64 and with `matrixmultiply`, and its bits with those of other cuts and
//! other kernels.
//!
//! A kernel that this CPU cannot run is skipped with a message; `ABR_FILM_REQUIRE_KERNELS=avx512,avx2` makes that a
//! failure.

use abr_film::engine::kernels::gemm::{gemm, gemm_bias_on, gemm_on, gemm_split_k};
use abr_film::engine::kernels::select::Kernel;
use abr_film::engine::rng::{Purpose, Stream};
use common::skipped::skipped;
use ndarray::{Array2, ArrayView2, s};

const REQUIRED: &str = "ABR_FILM_REQUIRE_KERNELS";

/// Whether to test a kernel here.
///
/// # Panics
/// When it is required and not there.
fn here(kernel: Kernel) -> bool {
    let required = std::env::var(REQUIRED).unwrap_or_default();
    if !kernel.available() {
        assert!(!required.split(',').any(|name| name == kernel.name()), "{REQUIRED}: this CPU cannot run {kernel:?}");
        skipped(format_args!("this CPU cannot run {kernel:?} ({REQUIRED}={} would fail here)", kernel.name()));
    }
    kernel.available()
}

fn random([rows, columns]: [usize; 2], layer: u32) -> Array2<f32> {
    let mut values = vec![0.0; rows * columns];
    Stream::new(3, Purpose::TEST, layer).normals(0, &mut values);
    Array2::from_shape_vec((rows, columns), values).unwrap()
}

fn transposed(x: &Array2<f32>) -> Array2<f32> {
    x.t().as_standard_layout().to_owned()
}

/// `a b + beta c` and the sum of its terms' sizes, in f64. Without a `beta`, `c` does not count, whatever it is.
fn exact(a: ArrayView2<f32>, b: ArrayView2<f32>, beta: f32, c: ArrayView2<f32>) -> (Array2<f64>, Array2<f64>) {
    let wide = |x: ArrayView2<f32>| x.mapv(f64::from);
    let start = if beta == 0.0 { Array2::zeros(c.dim()) } else { wide(c) * f64::from(beta) };
    (wide(a).dot(&wide(b)) + &start, wide(a).mapv(f64::abs).dot(&wide(b).mapv(f64::abs)) + start.mapv(f64::abs))
}

/// The forms of a linear layer (forward: b transposed; input gradient: plain; weight gradient: a transposed), and
/// operands whose rows and columns are both not consecutive.
fn forms(m: usize, k: usize, n: usize, check: impl Fn(&str, ArrayView2<f32>, ArrayView2<f32>)) {
    let (a, b) = (random([m, k], 0), random([k, n], 1));
    let (at, bt) = (transposed(&a), transposed(&b));
    check("plain", a.view(), b.view());
    check("b transposed", a.view(), bt.t());
    check("a transposed", at.t(), b.view());
    check("both transposed", at.t(), bt.t());
    let (a, b) = (random([2 * m, 3 * k], 0), random([3 * k, 2 * n], 1));
    check("strided", a.slice(s![..;2, ..;3]), b.slice(s![..;3, ..;2]));
}

/// 1, odd, whole tiles of either instruction set, one more and one less; beyond a block in each direction.
const SIZES: [[usize; 3]; 26] = [
    [1, 1, 1],
    [1, 7, 64],
    [2, 3, 5],
    [3, 16, 8],
    [4, 8, 24],
    [5, 9, 25],
    [6, 15, 23],
    [7, 17, 15],
    [8, 16, 16],
    [8, 64, 48],
    [9, 65, 49],
    [8, 33, 47],
    [12, 5, 31],
    [13, 31, 17],
    [16, 100, 64],
    [17, 255, 33],
    [15, 256, 65],
    [11, 257, 112],
    [33, 513, 200],
    [32, 207, 385],
    [200, 31, 513],
    [130, 300, 400],
    [600, 19, 7],
    [23, 290, 1],
    [32, 600, 1100],
    [70, 257, 47],
];

fn check_values(kernel: Kernel) {
    if !here(kernel) {
        return;
    }
    for [m, k, n] in SIZES {
        forms(m, k, n, |form, a, b| {
            let start = random([m, n], 2);
            for beta in [0.0_f32, 1.0, 0.5] {
                let mut c = if beta == 0.0 { Array2::from_elem((m, n), f32::NAN) } else { start.clone() };
                let mut reference = c.clone();
                gemm_on(kernel, a, b, beta, c.view_mut());
                gemm_on(Kernel::Portable, a, b, beta, reference.view_mut());
                let (want, size) = exact(a, b, beta, start.view());
                for ((at, want), size) in want.indexed_iter().zip(&size) {
                    // k products and k sums, each rounded by at most 2^-24
                    let bound = 2.0 * (k + 1) as f64 * 2f64.powi(-24) * size;
                    let (got, other) = (f64::from(c[at]), f64::from(reference[at]));
                    assert!((got - want).abs() <= bound, "{kernel:?}, {form}: {got} {want} at {at:?} of {m}x{k}x{n}");
                    assert!(
                        (got - other).abs() <= 2.0 * bound,
                        "{kernel:?}, {form}: matrixmultiply has {other}, not {got}"
                    );
                }
            }
        });
    }
}

#[test]
fn avx512_matches_f64_and_matrixmultiply() {
    check_values(Kernel::Avx512);
}

#[test]
fn avx2_matches_f64_and_matrixmultiply() {
    check_values(Kernel::Avx2);
}

#[test]
fn portable_matches_f64() {
    check_values(Kernel::Portable);
}

/// A kernel does not touch the memory around `c`: here `c` is the middle of a larger matrix.
#[test]
fn nothing_but_c_is_written() {
    for kernel in Kernel::ALL.into_iter().filter(|kernel| here(*kernel)) {
        for [m, k, n] in SIZES {
            let (a, b) = (random([m, k], 0), random([k, n], 1));
            for beta in [0.0, 1.0, 0.5] {
                let mut outer = Array2::from_elem((m + 2, n + 2), 7.0_f32);
                let mut inner = Array2::from_elem((m, n), 7.0_f32);
                gemm_on(kernel, a.view(), b.view(), beta, outer.slice_mut(s![1..m + 1, 1..n + 1]));
                gemm_on(kernel, a.view(), b.view(), beta, inner.view_mut());
                assert_eq!(outer.slice(s![1..m + 1, 1..n + 1]), inner, "{kernel:?} {m}x{k}x{n}");
                outer.slice_mut(s![1..m + 1, 1..n + 1]).fill(7.0);
                assert!(outer.iter().all(|x| *x == 7.0), "{kernel:?} wrote outside of {m}x{k}x{n}");
            }
        }
    }
}

/// The bias is added last, to the rounded sum. `c` is not read, and nothing around it is written.
#[test]
fn a_bias_is_added_to_the_finished_sum() {
    for kernel in Kernel::ALL.into_iter().filter(|kernel| here(*kernel)) {
        for [m, k, n] in SIZES.into_iter().chain([[5, 0, 9]]) {
            let bias = random([1, 2 * n], 4);
            for bias in [bias.slice(s![.., ..n]), bias.slice(s![.., ..;2])] {
                forms(m, k, n, |form, a, b| {
                    let mut want = Array2::zeros((m, n));
                    gemm_on(kernel, a, b, 0.0, want.view_mut());
                    want += &bias;
                    let mut outer = Array2::from_elem((m + 2, n + 2), f32::NAN);
                    gemm_bias_on(kernel, a, b, bias, outer.slice_mut(s![1..m + 1, 1..n + 1]));
                    assert_eq!(outer.slice(s![1..m + 1, 1..n + 1]), want, "{kernel:?}, {form}: {m}x{k}x{n}");
                    outer.slice_mut(s![1..m + 1, 1..n + 1]).fill(f32::NAN);
                    assert!(outer.iter().all(|x| x.is_nan()), "{kernel:?} wrote outside of {m}x{k}x{n}");
                    let mut in_columns = Array2::from_elem((n, m), f32::NAN);
                    gemm_bias_on(kernel, a, b, bias, in_columns.view_mut().reversed_axes());
                    // Into columns, sums may run in another order. A sum of k <= 600 products of standard normals is
                    // about sqrt(k); the rounding errors of its steps add up to about k 2^-24 = 4e-5. The largest of
                    // many is a few times that; a bias that is missing or misplaced is off by about 1.
                    let near = want.iter().zip(in_columns.t()).all(|(x, y)| (x - y).abs() < 1e-3);
                    assert!(near, "{kernel:?}, {form}, into columns: {m}x{k}x{n}");
                });
            }
        }
    }
}

/// A transposed `c`, one without consecutive elements, and an empty sum.
#[test]
fn unusual_targets() {
    for kernel in Kernel::ALL.into_iter().filter(|kernel| here(*kernel)) {
        let (a, b) = (random([19, 33], 0), random([33, 21], 1));
        let (mut plain, mut in_columns) = (Array2::zeros((19, 21)), Array2::zeros((21, 19)));
        gemm_on(kernel, a.view(), b.view(), 0.0, plain.view_mut());
        gemm_on(kernel, a.view(), b.view(), 0.0, in_columns.view_mut().reversed_axes());
        // as above for k = 33: rounding errors of about 2e-6
        let near = plain.iter().zip(in_columns.t()).all(|(x, y)| (x - y).abs() < 1e-4);
        assert!(near, "{kernel:?}: {plain} {in_columns}");
        let mut outer = Array2::from_elem((38, 63), 7.0);
        gemm_on(kernel, a.view(), b.view(), 0.0, outer.slice_mut(s![..;2, ..;3]));
        let near = plain.iter().zip(outer.slice(s![..;2, ..;3])).all(|(x, y)| (x - y).abs() < 1e-4);
        assert!(near, "{kernel:?}: {plain} {outer}");
        outer.slice_mut(s![..;2, ..;3]).fill(7.0);
        assert!(outer.iter().all(|x| *x == 7.0), "{kernel:?} wrote between the elements of c");
        let mut c = Array2::from_elem((3, 4), 2.0_f32);
        gemm_on(kernel, Array2::zeros((3, 0)).view(), Array2::zeros((0, 4)).view(), 1.0, c.view_mut());
        assert!(c.iter().all(|x| *x == 2.0), "{kernel:?}");
        gemm_on(kernel, Array2::zeros((3, 0)).view(), Array2::zeros((0, 4)).view(), 0.0, c.view_mut());
        assert!(c.iter().all(|x| *x == 0.0), "{kernel:?}");
    }
}

/// An element's bits depend on its row and its column alone: not on other rows (but a single row has its own bits) or
/// columns, not on the threads, and not on which of the two instruction sets with fused multiply-adds runs.
#[test]
fn bits_depend_on_row_and_column_alone() {
    let (m, k, n) = (70, 523, 901);
    let (a, bt) = (random([m, k], 0), random([n, k], 1));
    let mut all = Vec::new();
    for kernel in [Kernel::Avx512, Kernel::Avx2].into_iter().filter(|kernel| here(*kernel)) {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut c = Array2::zeros((m, n));
            pool.install(|| gemm_on(kernel, a.view(), bt.t(), 0.0, c.view_mut()));
            all.push(c);
        }
        let mut pieces = Array2::zeros((m, n));
        for row in (0..m).step_by(2) {
            for (from, to) in [(0, 1), (1, 50), (50, 901)] {
                let c = pieces.slice_mut(s![row..row + 2, from..to]);
                gemm_on(kernel, a.slice(s![row..row + 2, ..]), bt.slice(s![from..to, ..]).t(), 0.0, c);
            }
        }
        all.push(pieces);
        // vectors along the rows of either operand, each as it lies and transposed
        let (at, b) = (transposed(&a), transposed(&bt));
        for a in [a.view(), at.t()] {
            for b in [b.view(), bt.t()] {
                let (mut plain, mut in_columns) = (Array2::zeros((m, n)), Array2::zeros((n, m)));
                gemm_on(kernel, a, b, 0.0, plain.view_mut());
                gemm_on(kernel, a, b, 0.0, in_columns.view_mut().reversed_axes());
                all.extend([plain, transposed(&in_columns)]);
            }
        }
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
}

/// The bits of a single row depend neither on other columns, nor on the threads or the instruction set.
#[test]
fn bits_of_a_row_alone() {
    let (k, n) = (1037, 901);
    let (a, bt) = (random([1, k], 0), random([n, k], 1));
    let mut all = Vec::new();
    for kernel in [Kernel::Avx512, Kernel::Avx2].into_iter().filter(|kernel| here(*kernel)) {
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut c = Array2::zeros((1, n));
            pool.install(|| gemm_on(kernel, a.view(), bt.t(), 0.0, c.view_mut()));
            all.push(c);
        }
        let mut pieces = Array2::zeros((1, n));
        for (from, to) in [(0, 1), (1, 50), (50, 901)] {
            gemm_on(kernel, a.view(), bt.slice(s![from..to, ..]).t(), 0.0, pieces.slice_mut(s![.., from..to]));
        }
        all.push(pieces);
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
}

/// Split-K adds the sums of the first half to `c`, then those of the second half, on any number of threads.
#[test]
fn halves_of_the_depth_are_added_in_order() {
    let (m, k, n) = (33, 513, 200);
    let (a, b, start) = (random([m, k], 0), random([k, n], 1), random([m, n], 2));
    let (before, behind) = (s![.., ..k / 2], s![.., k / 2..]);
    for beta in [0.0, 1.0] {
        let (mut want, mut second) = (start.clone(), Array2::zeros((m, n)));
        gemm(a.slice(before), b.t().slice(before).t(), beta, want.view_mut());
        gemm(a.slice(behind), b.t().slice(behind).t(), 0.0, second.view_mut());
        want += &second;
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut c = start.clone();
            pool.install(|| gemm_split_k(a.view(), b.view(), beta, c.view_mut()));
            assert_eq!(c, want);
        }
        let (exact, size) = exact(a.view(), b.view(), beta, start.view());
        for ((at, exact), size) in exact.indexed_iter().zip(&size) {
            assert!((f64::from(want[at]) - exact).abs() <= 2.0 * (k + 1) as f64 * 2f64.powi(-24) * size);
        }
    }
}
