#!/usr/bin/env bash
# What can be counted of a checkout's order, to compare two: tests/counts.sh [FOLDER]. A test of tests/layout.rs holds the first line at 0.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

rust() { find "$1" -name '*.rs' -print0 | xargs -0 cat; }
lines() { find "$1" -name "*.$2" -print0 | xargs -0 cat | wc -l; }
type_names() { grep -hoE '^(pub(\([a-z]+\))? )?(struct|enum|trait|type|union) [A-Za-z0-9_]+' -r src --include='*.rs' | awk '{print $NF}'; }
# unsafe blocks and impls whose line above, comments and attributes aside, is no SAFETY comment
unargued() {
    find src tests benches -name '*.rs' -print0 | xargs -0 awk '
        FNR == 1 { argued = 0 }
        /SAFETY:|# Safety/ { argued = 1 }
        /unsafe (\{|impl)/ && !/^[ \t]*\/\// && !argued { n++ }
        !/^[ \t]*(\/\/|#\[)/ && !/SAFETY/ { argued = 0 }
        END { print n + 0 }'
}

echo "type names with two meanings   $(type_names | sort | uniq -d | wc -l)"
echo "unsafe blocks without argument $(unargued)"
echo "functions of Device            $(awk '/^pub trait Device/,/^}/' src/engine/device/mod.rs | grep -c '^    fn ')"
echo "files that #[path] pulls in    $(grep -rE '^#\[path' src tests benches --include='*.rs' | wc -l)"
echo "lines of src, Rust             $(lines src rs)"
echo "lines of tests, Rust           $(lines tests rs)"
echo "lines of benches, Rust         $(lines benches rs)"
echo "lines of shaders               $(lines shaders wgsl)"
# files that name one thing of a kind: about what another of its kind has to touch
places() { grep -rliwE "$1" src tests benches shaders --include='*.rs' --include='*.wgsl' --include='*.py' | grep -vc '^src/abr/model/'; }
echo "files that name an op          $(places 'masked_l1|MaskedL1') (masked_l1)"
echo "files that name a reader       $(places 'ihs_smartep') (ihs_smartep)"
echo "files that name a measure      $(places 'mmd|mmd2|mmd_.*') (mmd)"
echo "files that name a key          $(places 'condition_dropout') (film.condition_dropout)"
