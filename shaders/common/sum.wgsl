// The sum over a workgroup of 256 threads, always in the same order: one half is added to the other, again and again.
// The shader defines `Sum` as a number or a vector.
var<workgroup> of_lanes: array<Sum, 256>;

fn workgroup_sum(lane: u32, value: Sum) -> Sum {
    // wait for threads that still read the previous sum
    workgroupBarrier();
    of_lanes[lane] = value;
    for (var half = 128u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            of_lanes[lane] += of_lanes[lane + half];
        }
    }
    workgroupBarrier();
    return of_lanes[0];
}
