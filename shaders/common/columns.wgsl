// Sums down the columns: a workgroup of 256 threads sums COLUMNS columns, and a thread four of them (a quad) in every
// 64th row.
const COLUMNS: u32 = 16u;
const ROW_LANES: u32 = 64u;

var<workgroup> of_rows: array<vec4<f32>, 256>;

// Four columns. The last column replaces missing ones, so that no load waits for a condition; their results are not
// stored.
fn quad(column: u32) -> vec4<u32> {
    return min(column + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(p.columns - 1u));
}

// The sums over all rows of the columns of this thread's quad, always in the same order.
fn column_sums(lane: u32, value: vec4<f32>) -> vec4<f32> {
    // wait for threads that still read the previous sums
    workgroupBarrier();
    of_rows[lane] = value;
    for (var half = 128u; half >= 4u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            of_rows[lane] += of_rows[lane + half];
        }
    }
    workgroupBarrier();
    return of_rows[lane % 4u];
}
