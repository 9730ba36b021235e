#!/usr/bin/env python3
"""Mutation testing: changes the code in one place at a time, and lists the changes that no test notices.

    python3 tests/mutants.py [--sample N] [--seed S] [--jobs J]

Needs cargo-mutants, and a GPU for parity, as `cargo test` does. The mutants are a random sample of kernels, ops,
optimizer, checkpoint, split and scalers. Each meets the tests of its own file first; one that these miss meets those
of its room. target/mutants/sample.json has the outcome of each. A run that was stopped goes on from it; after
a whole run, the mutants that were missed meet the tests again; without the file all do.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "target/mutants"
KEPT = PLACE / "sample.json"
FILES = [
    "src/engine/kernels/**", "src/engine/ops/**", "src/engine/nn/optim.rs",
    "src/abr/checkpoint.rs", "src/abr/checkpoint/**", "src/abr/data/split.rs", "src/abr/data/scale/**",
]
# what must be built
ENGINE = ["--no-default-features", "--features", "gpu"]
PRODUCT = ["--no-default-features", "--features", "cli"]
# Without optimisation a mutant builds in seconds instead of a minute.
BUILD = {"CARGO_INCREMENTAL": "1", "CARGO_PROFILE_DEV_OPT_LEVEL": "0", "CARGO_PROFILE_DEV_DEBUG": "0"}


@dataclass
class Tests:
    features: list[str]
    """With `lib`, the unit tests are among them."""
    binaries: list[str]
    """Words of which a test's name has one; without any, all tests."""
    only: list[str] = field(default_factory=list)

    def build(self) -> list[str]:
        return [part for name in self.binaries for part in (["--lib"] if name == "lib" else ["--test", name])]


def own_tests(file: str) -> Tests:
    name = Path(file).stem
    if file.startswith("src/engine/ops/") and "elementwise" not in file and name != "mod":
        return Tests(ENGINE, ["gradcheck", "reference", "parity", "shapes"], [name])
    if file.startswith("src/engine/ops/"):
        return Tests(ENGINE, ["lib", "gradcheck", "reference"])
    if file.startswith("src/engine/kernels/"):
        return Tests(ENGINE, ["lib", "gemm", "gradcheck", "fused", "reference", "tape"])
    if file.startswith("src/engine/nn/"):
        return Tests(PRODUCT, ["lib", "reference", "model"], ["optim", "adam", "model"])
    if "checkpoint" in file:
        return Tests(PRODUCT, ["lib", "hostile_checkpoints"], ["checkpoint", "what_cannot", "harms"])
    return Tests(PRODUCT, ["lib"], ["data::split", "data::scale", "data::load"])


def room_tests(file: str) -> Tests:
    """Tests of the file's room beyond its own. Those that take minutes without optimisation are left out."""
    name = Path(file).stem
    everything = ["--no-default-features", "--features", "abr,gpu"]
    if "linear" in name or name == "matmul":
        return Tests(everything, "fused model parity".split(), [name, "products", "step"])
    if file.startswith("src/engine/ops/"):
        return Tests(everything, "shapes fused conditioning model reference".split())
    if file.startswith("src/engine/"):
        words = "adam clip norm finite train:: step sum mean".split()
        return Tests(everything, "lib reference model gpu".split(), [*words, name])
    if "checkpoint" in file:
        return Tests(PRODUCT, "lib hostile_checkpoints cli".split(), "checkpoint train:: resume bad_model".split())
    return Tests(PRODUCT, "lib cli".split(), "data:: train:: infer:: baselines condition categories generate".split())


def tree(job: int) -> Path:
    """A copy of this checkout for one job; what it has built is kept."""
    place = PLACE / f"tree{job}"
    place.mkdir(parents=True, exist_ok=True)
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for file in filter(None, files.decode().split("\0")):
        source, copy = ROOT / file, place / file
        if not source.is_file():
            continue
        content = source.read_bytes()
        if file == "src/engine/ops/mod.rs":
            # a macro declares these modules, and cargo-mutants finds only what is declared openly
            names = sorted(path.stem for path in source.parent.glob("*.rs") if path.stem != "mod")
            content += "".join(f"#[cfg(any())]\nmod {name};\n" for name in names).encode()
        # a file that was left mutated gets a new time, so that cargo notices; the others keep theirs
        if not copy.is_file() or copy.read_bytes() != content:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
    return place


def mutants(place: Path) -> list[dict]:
    chosen = [part for file in FILES for part in ("-f", file)]
    command = ["cargo", "mutants", "--list", "--json", *chosen]
    listed = subprocess.run(command, cwd=place, capture_output=True, check=True)
    return json.loads(listed.stdout)


def outcomes(place: Path, names: list[str], tests: Tests, *, unmutated: bool) -> dict[str, str]:
    """Tests these mutants of one file, and before them the unmutated code if that is asked for; the outcome of each:
    caught, missed, unviable or timeout."""
    output = place / "target/outcome"
    shutil.rmtree(output, ignore_errors=True)
    # what follows `--` counts when tests run; what is built, too, must be an argument of all of cargo's commands
    command = ["cargo", "mutants", "--in-place", "--no-shuffle", "--output", output, *tests.features]
    command += [] if unmutated else ["--baseline=skip", "--timeout=600"]
    command += ["-f", names[0].split(":")[0]]
    command += [part for name in names for part in ("-F", f"^{re.escape(name)}$")]
    command += [f"--cargo-arg={part}" for part in ["--locked", *tests.build()]]
    command += ["--", "--", *tests.only] if tests.only else []
    done = subprocess.run(command, cwd=place, env={**os.environ, **BUILD}, capture_output=True, text=True)
    found = {}
    for kind in ("caught", "missed", "unviable", "timeout"):
        listed = output / f"mutants.out/{kind}.txt"
        for name in listed.read_text().splitlines() if listed.exists() else []:
            if name in names:
                found[name] = kind
    if len(found) < len(names):
        problem = f"{names[0]}: {len(found)} of {len(names)} have an outcome"
        raise RuntimeError(f"{problem}\n{done.stdout[-4000:]}\n{done.stderr}")
    return found


def work(job: int, groups: queue.SimpleQueue, found: dict[str, str], lock: threading.Lock) -> None:
    place = tree(job)
    while True:
        try:
            stage, names = groups.get_nowait()
        except queue.Empty:
            return
        file = names[0].split(":")[0]
        try:
            own = stage == "own"
            result = outcomes(place, names, (own_tests if own else room_tests)(file), unmutated=own)
        except RuntimeError as problem:
            print(problem, file=sys.stderr)
            continue
        with lock:
            for name, outcome in result.items():
                found[name] = outcome if not own or outcome != "missed" else "missed by its own tests"
            KEPT.write_text(json.dumps(found, indent=1, sort_keys=True))
            print(f"{len(names)} in {file} ({stage}): {dict(Counter(result.values()))}", flush=True)


def in_turns(found: dict[str, str], jobs: int, wanted: str, stage: str) -> None:
    by_file = defaultdict(list)
    for name, outcome in found.items():
        if outcome == wanted:
            by_file[name.split(":")[0]].append(name)
    groups = queue.SimpleQueue()
    for _, names in sorted(by_file.items(), reverse=True):
        groups.put((stage, sorted(names)))
    lock = threading.Lock()
    threads = [threading.Thread(target=work, args=(job, groups, found, lock)) for job in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    PLACE.mkdir(parents=True, exist_ok=True)
    # cargo-mutants cannot choose among these: it tests all that a file has
    names = sorted(mutant["name"] for mutant in mutants(tree(0)) if "delete field" not in mutant["name"])
    sample = random.Random(options.seed).sample(names, min(options.sample, len(names)))
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    found = {name: kept.get(name, "open") for name in sample}
    if not {"open", "missed by its own tests"} & set(found.values()):
        # the last run came to its end: tests may have come since, and what they missed, they meet again
        found = {name: "open" if outcome == "missed" else outcome for name, outcome in found.items()}
    print(f"{len(sample)} of {len(names)} mutants, seed {options.seed}", flush=True)
    in_turns(found, options.jobs, "open", "own")
    in_turns(found, options.jobs, "missed by its own tests", "room")
    counts = Counter(found.values())
    noticed = counts["caught"] + counts["timeout"]
    viable = len(found) - counts["unviable"]
    print(f"{dict(counts)}: {noticed} of {viable} that compile are caught ({noticed / max(viable, 1):.1%})")
    for name in sorted(name for name, outcome in found.items() if outcome not in ("caught", "timeout", "unviable")):
        print(f"{found[name]}: {name}")


if __name__ == "__main__":
    main()
