#!/usr/bin/env bash
# Looks for reads and writes outside of memory in the kernels' unsafe code, over all shapes of their tests:
#
#     tests/memory.sh asan        AddressSanitizer, each kernel that the CPU has; needs a nightly toolchain
#     tests/memory.sh valgrind    Valgrind, which knows no AVX-512: the AVX2 and the portable kernels
set -euo pipefail
cd "$(dirname "$0")/.."
tests=(--no-default-features --test gemm --test gradcheck --test fused --test reference --test tape)
export CARGO_INCREMENTAL=0

case $1 in
asan)
    triple=$(rustc -vV | sed -n 's/^host: //p')
    kernels=portable
    if grep -qw avx2 /proc/cpuinfo; then kernels="avx2 $kernels"; fi
    if grep -qw avx512bw /proc/cpuinfo; then kernels="avx512 $kernels"; fi
    for kernel in $kernels; do
        echo "ABR_FILM_KERNEL=$kernel"
        # with a target named, macros and build scripts are built without the sanitizer
        ABR_FILM_KERNEL=$kernel RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target/asan \
            cargo +nightly test --locked --target "$triple" "${tests[@]}"
    done
    ;;
valgrind)
    programs=$(cargo test --locked --no-run --message-format=json-render-diagnostics "${tests[@]}" |
        grep -o '"executable":"[^"]*"' | cut -d'"' -f4)
    for kernel in avx2 portable; do
        for program in $programs; do
            echo "ABR_FILM_KERNEL=$kernel $(basename "$program")"
            ABR_FILM_KERNEL=$kernel valgrind --quiet --error-exitcode=1 "$program" --test-threads=1 | grep '^test result'
        done
    done
    ;;
*)
    echo "asan or valgrind" >&2
    exit 2
    ;;
esac
