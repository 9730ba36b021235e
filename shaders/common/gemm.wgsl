// The inner part of a matrix product: 256 threads make a tile of TILE x TILE sums over k, DEPTH terms at a time.
//
// A term of a tile costs 2 TILE loads for TILE^2 multiply-adds. An H100 has 132 streaming multiprocessors with 128
// multiply-adds per clock each, and L2 delivers about 24 bytes per clock to each: a tile of 128 needs 8 of these bytes,
// and a tile of 32 needs 32, more than there are. From workgroup memory (128 bytes per clock), a thread with 8 x 8 sums
// loads 4 vec4 for 64 multiply-adds; a thread with 4 x 4 sums loads 2 for 16. So tiles are large where there are enough
// of them for all multiprocessors. Where there are few tiles, as at 32 rows, the latency of the loads decides, and thus
// the number of loads in flight: then tiles are small and deep. TILE * DEPTH is always 2048: both operands together
// fill the 16 KiB of workgroup memory that WebGPU guarantees, and are 256 blocks of 4 x 4, one per thread. A thread
// fetches its block of the next DEPTH into registers while it multiplies this one. `src/engine/device/gpu/tiling.rs`
// chooses the tile.
override TILE: u32 = 32u;
// Every row of the operands begins at a multiple of four numbers: they are read as vec4, at least 64 adjacent bytes of
// a row at a time. Otherwise they are read one number at a time, and four instructions share a cache line.
override ALIGNED: bool = false;
override DEPTH: u32 = 2048u / TILE;
// Quads (four numbers) of a line, and of a row along k.
override QUADS: u32 = TILE / 4u;
override LAYERS: u32 = DEPTH / 4u;
// Threads along a side of the tile. Where that leaves threads over, the threads share the terms: tiles of 32 and 64
// have four slices of 64 threads (split-K within the workgroup).
override SIDE: u32 = 8u * (TILE / 128u + 1u);
override SLICE: u32 = SIDE * SIDE;
override OF_SLICE: u32 = DEPTH * SLICE / 256u;
override ROTATION: u32 = (TILE + 63u) / 64u;

// Line k has TILE numbers: column k of the left operand's tile. The lines of the right operand, with row k of its tile,
// follow behind all of these.
var<workgroup> tiles: array<vec4<f32>, 1024>;
const RIGHT: u32 = 512u;

// The sums of a thread: four columns of four rows, one vec4 per row; for tiles above 32 four times that, half a tile
// apart. Each has a name of its own, because an indexed array might not stay in registers.
var<private> s00: mat4x4<f32>;
var<private> s01: mat4x4<f32>;
var<private> s10: mat4x4<f32>;
var<private> s11: mat4x4<f32>;

fn clear_sums() {
    s00 = mat4x4<f32>();
    s01 = mat4x4<f32>();
    s10 = mat4x4<f32>();
    s11 = mat4x4<f32>();
}

// The position of a quad of line k. Positions are permuted from line to line, so that threads that store a column of
// quads, as in a transposing store, access different banks.
fn quad_place(k: u32, quad: u32) -> u32 {
    return k * QUADS + (quad ^ (k / 4u * ROTATION % 8u));
}

// The first term and the first line of a thread's block of an operand; `transposed`: its rows run along k.
struct Block { k: u32, line: u32 }

fn block_of(lane: u32, transposed: bool) -> Block {
    let b = lane % 128u;
    if (transposed) {
        return Block(b % LAYERS * 4u, b / LAYERS * 4u);
    }
    return Block(b / QUADS * 4u, b % QUADS * 4u);
}

// Stores a block whose matrix has its columns as rows in memory. The first 128 threads store the left operand. `terms`
// terms are left: those beyond become 0, whatever was fetched for them.
fn put_block(lane: u32, block: mat4x4<f32>, transposed: bool, terms: u32) {
    let at = block_of(lane, transposed);
    var lines = block;
    if (transposed) {
        lines = transpose(block);
    }
    if (terms < DEPTH) {
        lines = mat4x4<f32>(
            select(vec4<f32>(), lines[0], at.k < terms),
            select(vec4<f32>(), lines[1], at.k + 1u < terms),
            select(vec4<f32>(), lines[2], at.k + 2u < terms),
            select(vec4<f32>(), lines[3], at.k + 3u < terms),
        );
    }
    let first = lane / 128u * RIGHT + quad_place(at.k, at.line / 4u);
    tiles[first] = lines[0];
    tiles[first + QUADS] = lines[1];
    tiles[first + 2u * QUADS] = lines[2];
    tiles[first + 3u * QUADS] = lines[3];
}

fn plus_product(s: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(s[0] + a.x * b, s[1] + a.y * b, s[2] + a.z * b, s[3] + a.w * b);
}

fn multiply_add(lane: u32) {
    let r = lane % SLICE / SIDE;
    let c = lane % SIDE;
    // written so that a compiler can see where there is only one slice
    let begin = select(lane / SLICE * OF_SLICE, 0u, SLICE == 256u);
    // both loops have constant bounds, so that the compiler unrolls them
    for (var layer = 0u; layer < OF_SLICE; layer += 4u) {
        let left = quad_place(begin + layer, r);
        let right = RIGHT + quad_place(begin + layer, c);
        for (var k = 0u; k < 4u; k++) {
            let a = tiles[left + k * QUADS];
            let b = tiles[right + k * QUADS];
            s00 = plus_product(s00, a, b);
            if (TILE > 32u) {
                let below = tiles[left + k * QUADS + SIDE];
                let beside = tiles[right + k * QUADS + SIDE];
                s01 = plus_product(s01, a, beside);
                s10 = plus_product(s10, below, b);
                s11 = plus_product(s11, below, beside);
            }
        }
    }
}

override QUADRANTS: u32 = select(1u, 4u, TILE > 32u);

// The sums of a quadrant: left and right of the upper half, then of the lower half.
fn quadrant(q: u32) -> mat4x4<f32> {
    if (q == 0u) { return s00; }
    if (q == 1u) { return s01; }
    if (q == 2u) { return s10; }
    return s11;
}

// Rows of a quadrant whose final sums a thread holds.
override ROWS: u32 = SLICE / 64u;

// The sums of all slices, always added up in the same order. With slices, a thread gets only the row with the number of
// its slice, as the first of the result; without, it keeps all four rows.
fn joined(lane: u32, sums: mat4x4<f32>) -> mat4x4<f32> {
    if (SLICE == 256u) {
        return sums;
    }
    let slice = lane / SLICE;
    let place = lane % SLICE;
    // wait for threads that still read the previous quadrant
    workgroupBarrier();
    tiles[slice * 64u + place] = sums[0];
    tiles[256u + slice * 64u + place] = sums[1];
    tiles[512u + slice * 64u + place] = sums[2];
    tiles[768u + slice * 64u + place] = sums[3];
    workgroupBarrier();
    let first = slice * 256u + place;
    let sum = ((tiles[first] + tiles[first + 64u]) + tiles[first + 128u]) + tiles[first + 192u];
    return mat4x4<f32>(sum, vec4<f32>(), vec4<f32>(), vec4<f32>());
}

// The first row and the first column, in the tile, of the final sums that a thread holds.
fn first_row(lane: u32) -> u32 {
    return lane % SLICE / SIDE * 4u + lane / SLICE;
}

fn first_column(lane: u32) -> u32 {
    return lane % SIDE * 4u;
}

// The last of so many, and the last four.
fn last_of(count: u32) -> u32 {
    return max(count, 1u) - 1u;
}

fn last_quad_of(count: u32) -> u32 {
    return max(count, 4u) - 4u;
}

// The indices of four numbers of a row, in a matrix that is not empty and whose rows are `pitch` apart. Beyond `end`
// they are the index of the last number: a load without a condition is in flight together with the others. For aligned
// numbers, a compiler can see that the first index is a multiple of four.
fn places(row: u32, pitch: u32, column: u32, end: u32) -> vec4<u32> {
    if (ALIGNED) {
        return vec4<u32>(0u, 1u, 2u, 3u) + (row * (pitch / 4u) + min(column, last_quad_of(end)) / 4u) * 4u;
    }
    return row * pitch + min(column + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last_of(end)));
}

// The number of columns, of these four, that exist.
fn columns_from(column: u32, end: u32) -> u32 {
    if (ALIGNED) {
        return 4u;
    }
    return min(4u, end - min(column, end));
}
