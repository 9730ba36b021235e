// The inner part of a matrix product: 64 threads make a tile of 32 x 32, each 4 x 4 elements of it that lie 8 apart. The operands
// come DEPTH deep at a time into workgroup memory, where row k of `left` is column k of the left operand's tile.
const TILE: u32 = 32u;
const DEPTH: u32 = 16u;
// one more than a tile is wide: threads that fill a column meet different banks
const PITCH: u32 = 33u;

var<workgroup> left: array<f32, 528>;
var<workgroup> right: array<f32, 528>;
// four rows of results
var<private> sums: array<vec4<f32>, 4>;

fn clear_sums() {
    sums = array<vec4<f32>, 4>();
}

fn multiply_add(lane: u32) {
    let r = lane / 8u;
    let c = lane % 8u;
    var s0 = sums[0];
    var s1 = sums[1];
    var s2 = sums[2];
    var s3 = sums[3];
    for (var k = 0u; k < DEPTH; k++) {
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

// Where a thread's element (i, j) lies in the tile.
fn tile_row(lane: u32, i: u32) -> u32 {
    return lane / 8u + 8u * i;
}

fn tile_column(lane: u32, j: u32) -> u32 {
    return lane % 8u + 8u * j;
}
