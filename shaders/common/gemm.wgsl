// The inner part of a matrix product. 256 threads make a tile of 32 x 32: four slices of 64 threads share the sums over k between
// them, and each thread makes 4 x 4 elements that lie 8 apart. With batches as small as 32 rows there are few tiles: it takes
// many threads a tile to have enough loads on their way. The operands come DEPTH deep at a time into workgroup memory, where row k
// of `left` is column k of the left operand's tile.
const TILE: u32 = 32u;
const THREADS: u32 = 256u;
const DEPTH: u32 = 32u;
const OF_SLICE: u32 = 8u;
// one more than a tile is wide: threads that fill a column meet different banks
const PITCH: u32 = 33u;

var<workgroup> left: array<f32, 1056>;
var<workgroup> right: array<f32, 1056>;
// four rows of results
var<private> sums: array<vec4<f32>, 4>;

fn clear_sums() {
    sums = array<vec4<f32>, 4>();
}

fn multiply_add(lane: u32) {
    let r = lane % 64u / 8u;
    let c = lane % 8u;
    let begin = lane / 64u * OF_SLICE;
    var s0 = sums[0];
    var s1 = sums[1];
    var s2 = sums[2];
    var s3 = sums[3];
    for (var k = begin; k < begin + OF_SLICE; k++) {
        let a = k * PITCH + r;
        let b = k * PITCH + c;
        let row = vec4<f32>(right[b], right[b + 8u], right[b + 16u], right[b + 24u]);
        s0 += left[a] * row;
        s1 += left[a + 8u] * row;
        s2 += left[a + 16u] * row;
        s3 += left[a + 24u] * row;
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

// Adds the slices up, always in the same order: what the first slice's threads have then is the result.
fn join_slices(lane: u32) {
    let slice = lane / 64u;
    let place = lane % 64u;
    for (var e = 0u; e < 16u; e++) {
        if (slice == 1u) {
            left[e * 64u + place] = sums[e / 4u][e % 4u];
        } else if (slice == 3u) {
            right[e * 64u + place] = sums[e / 4u][e % 4u];
        }
    }
    workgroupBarrier();
    for (var e = 0u; e < 16u; e++) {
        if (slice == 0u) {
            sums[e / 4u][e % 4u] += left[e * 64u + place];
        } else if (slice == 2u) {
            sums[e / 4u][e % 4u] += right[e * 64u + place];
        }
    }
    workgroupBarrier();
    if (slice == 2u) {
        for (var e = 0u; e < 16u; e++) {
            left[e * 64u + place] = sums[e / 4u][e % 4u];
        }
    }
    workgroupBarrier();
    if (slice == 0u) {
        for (var e = 0u; e < 16u; e++) {
            sums[e / 4u][e % 4u] += left[e * 64u + place];
        }
    }
}

// Where element (i, j) of a thread of the first slice lies in the tile.
fn tile_row(lane: u32, i: u32) -> u32 {
    return lane / 8u + 8u * i;
}

fn tile_column(lane: u32, j: u32) -> u32 {
    return lane % 8u + 8u * j;
}
