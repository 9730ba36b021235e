#!/usr/bin/env python3
"""Our training step, generation and matrix products beside PyTorch's on the same GPU: python3 benches/gpu_peers.py

Nothing is built where both programs are named, so that they may be carried to a machine without a Rust toolchain (shaders and
configuration are inside of them):

    cargo bench --bench peer --no-run      # names the program for --binary
    cargo test --release --test parity --no-run      # and for --parity
    python3 benches/gpu_peers.py --binary peer-… --parity parity-… --out results.md

First the GPU's results are held against the CPU's (--parity); then each contender is a process of its own, and they take turns. Where PyTorch sees
no CUDA it computes on the CPU, and what only CUDA has is "not available": enough to try the script, with an adapter that computes on the
CPU and few, small --batches, --rows and --seconds. A Markdown report goes to stdout, progress to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator, Sequence

sys.path.insert(0, str(Path(__file__).parent / "peers"))
import build
import roofline
from contender import ROOT, Contender, Failed, say, tail, take_turns
from floor import parameters
from report import number, table

SUBJECTS = ("dispatch", "step", "generate", "product", "roofline")
MODES = ("eager", "compile", "graphs")
# inputs and outputs of layers of the model, small and large, wide and narrow
LAYERS = ((207, 512), (7, 512), (64, 1024), (512, 1024), (1024, 2048), (2048, 200))
# rows, inputs and outputs of what shows the card
LARGE = (4096, 4096, 4096)
GENERATE = (1, 1024)
# the goals of a step at batch 32: ms, and how many times as fast as PyTorch eager; and the share of the peak of the
# large product
STEP_GOAL_MS, STEP_GOAL_TIMES, PEAK_GOAL_PERCENT = 0.5, 4, 60
NOT_THERE = "not available"


@dataclass
class Setup:
    """What is measured how."""

    options: argparse.Namespace
    ours: list[str]
    torch: list[str] | None
    cuda: bool
    card: roofline.Card
    # the roofline is of the GPU that is measured, not of one that is only thought of
    card_is_there: bool
    counts: dict[str, int | str]
    versions: dict[str, str] = field(default_factory=dict)

    def contender(self, name: str, job: str, arguments: Sequence[str]) -> Contender:
        """`name` is `ours`, or one of PyTorch's modes with or without ` TF32`."""
        threads, expected = os.cpu_count() or 1, parameters() if job in ("step", "generate") else 0
        if name == "ours":
            return Contender(name, [*self.ours, job, *arguments, "device=gpu"], threads, expected)
        mode, _, tf32 = name.partition(" ")
        more = [f"mode={mode}", f"tf32={str(bool(tf32)).lower()}", f"device={'cuda' if self.cuda else 'cpu'}"]
        return Contender(name, [*self.torch, job, *arguments, *more], threads, expected)

    def names(self, modes: Sequence[str], tf32: bool = True) -> list[str]:
        """PyTorch's modes, each without TF32 and with."""
        return [f"{mode}{kind}" for mode in modes for kind in ("", " TF32")[: 1 + tf32]]

    def there(self, name: str) -> bool:
        mode, _, tf32 = name.partition(" ")
        return self.torch is not None and mode in self.options.modes and (self.cuda or mode != "graphs" and not tf32)

    def measure(self, job: str, arguments: Sequence[str], names: Sequence[str]) -> dict[str, float]:
        """Median ms by name, of those that are there and came through."""
        names = ["ours", *(name for name in names if self.there(name))]
        say(f"{job} {' '.join(arguments)}: {' / '.join(names)}")
        contenders = [self.contender(name, job, arguments) for name in names]
        done = take_turns(contenders, self.options.rounds, self.options.seconds)
        self.versions |= {"ours" if c.name == "ours" else "torch": c.version for c in done}
        return {c.name: c.ms for c in done}


def share(setup: Setup, bound_ms: float, ms: float | None) -> str:
    """The part of a bound that is reached."""
    return f"{100 * bound_ms / ms:.1f} %" if ms and setup.card_is_there else "not measured"


def cell(done: dict[str, float], name: str, text=number) -> str:
    return text(done[name]) if name in done else NOT_THERE


def times(done: dict[str, float], name: str) -> str:
    """A time, and in brackets how many times ours it is."""
    return f"{number(done[name])} ({done[name] / done['ours']:.2f})" if {name, "ours"} <= done.keys() else cell(done, name)


def met(is_met: bool) -> str:
    return "met" if is_met else "not met"


def dispatches(setup: Setup) -> str:
    names = setup.names(("eager", "graphs"), tf32=False)
    done = setup.measure("dispatch", [], names)
    row = [cell(done, name, lambda ms: number(ms * 1e3)) for name in ("ours", *names)]
    if "ours" in done:
        setup.options.dispatch_us = done["ours"] * 1e3
    text = "64 sums, again and again, in us; in a graph, of one of 100.\n\n"
    return "## Starting a program\n\n" + text + table(["ours", "PyTorch eager", "in a CUDA graph"], [row])


def steps(setup: Setup, results: dict[int, float]) -> str:
    names, rows, goals = setup.names(MODES), [], ""
    for batch in setup.options.batches:
        done = setup.measure("step", [f"batch={batch}"], names)
        rows.append([str(batch), cell(done, "ours"), *(times(done, name) for name in names)])
        if "ours" in done:
            results[batch] = done["ours"]
        if batch == 32 and "ours" in done and setup.card_is_there:
            goals += f"\n\nGoal at batch 32, below {STEP_GOAL_MS} ms: {met(done['ours'] < STEP_GOAL_MS)}."
        if batch == 32 and {"ours", "eager"} <= done.keys() and setup.cuda:
            ratio = done["eager"] / done["ours"]
            goals += f" {STEP_GOAL_TIMES} times as fast as eager: {met(ratio >= STEP_GOAL_TIMES)} ({ratio:.2f})."
    text = "Medians in ms, in brackets how many times ours.\n\n"
    return "## Whole training step\n\n" + text + table(["batch", "ours", *names], rows) + goals


def generation(setup: Setup) -> str:
    names, rows = setup.names(MODES), []
    for batch in GENERATE:
        done = setup.measure("generate", [f"batch={batch}"], names)
        rate = lambda ms: f"{batch / ms * 1e3:,.0f}"
        rows.append([str(batch), *(cell(done, name, rate) for name in ("ours", *names))])
    text = "Traces a second, each batch read back; latents and conditions are given.\n\n"
    return "## Generation\n\n" + text + table(["batch", "ours", *names], rows)


def products(setup: Setup) -> str:
    names, rows, goal = setup.names(("eager",)), [], ""
    shapes = [(count, *layer) for layer in LAYERS for count in setup.options.rows]
    for shape in [*shapes, *([] if setup.options.no_large else [LARGE])]:
        done = setup.measure("product", [f"{k}={v}" for k, v in zip(("rows", "inputs", "outputs"), shape)], names)
        work = roofline.product(*shape)
        rate = lambda ms: number(work.flop / ms / 1e6)
        rows.append([" x ".join(map(str, shape)), *(cell(done, name, rate) for name in ("ours", *names))])
        rows[-1] += [work.bound(setup.card), share(setup, work.ms(setup.card), done.get("ours"))]
        if shape == LARGE and "ours" in done and setup.card_is_there:
            is_met = work.arithmetic_ms(setup.card) / done["ours"] >= PEAK_GOAL_PERCENT / 100
            goal = f"\n\nGoal at {rows[-1][0]}, {PEAK_GOAL_PERCENT} % of the peak: {met(is_met)}."
    text = f"`y = x W^T + b`, GFLOP/s; the bound on {setup.card.name} and the share of it that ours reaches.\n\n"
    header = ["rows x inputs x outputs", "ours", *names, "bound by", "reached"]
    return "## Matrix products\n\n" + text + table(header, rows) + goal


def bounds(setup: Setup, results: dict[int, float]) -> str:
    rows, card, count = [], setup.card, int(setup.counts["dispatches"])
    starts = count * setup.options.dispatch_us / 1e3
    for batch in setup.options.batches:
        works = list(roofline.step(batch))
        whole, least = roofline.total(works), sum(w.ms(card) for w in works)
        by_memory = sum(w.ms(card) for w in works if w.bound(card) == "memory")
        row = [whole.flop / 1e9, whole.bytes / 1e6, whole.arithmetic_ms(card), whole.traffic_ms(card), least, starts, least + starts]
        limit = "starts" if starts > least else "memory" if by_memory > least / 2 else "arithmetic"
        rows.append([str(batch), *(f"{value:.3f}" if value < 1 else number(value) for value in row), limit, share(setup, least + starts, results.get(batch))])
    measured = "measured above" if "dispatch" in setup.options.only else "an assumption, not a measurement"
    text = f"On {card.name}: {card.tflops} TFLOP/s of 32-bit arithmetic, {card.gb_s:.0f} GB/s. An op's bound is its arithmetic or its traffic "
    text += "(every tensor once), whichever takes longer; `ops` is their sum. A step starts "
    text += f"{count} programs, at {number(setup.options.dispatch_us)} us each ({measured}); `bound` is ops and starts one after the other.\n\n"
    header = ["batch", "GFLOP", "MB", "arithmetic, ms", "traffic, ms", "ops, ms", "starts, ms", "bound, ms", "most of it", "reached"]
    return "## Roofline of a step\n\n" + text + table(header, rows)


def check_parity(setup: Setup) -> str:
    """Every op of ours on this GPU against the CPU, by the project's own test."""
    path = setup.options.parity
    if path is None:
        return "Parity with the CPU: not run (no --parity)."
    say(f"{path}: every op against the CPU ...")
    adapter = str(setup.counts["device"]).removeprefix("GPU ")
    environment = {**os.environ, "ABR_FILM_ADAPTER": adapter, "ABR_FILM_REQUIRE_GPU": "1"}
    done = subprocess.run([str(path.resolve())], env=environment, capture_output=True, text=True)
    passed = re.search(r"test result: ok\. (\d+) passed", done.stdout)
    if done.returncode != 0 or not passed:
        raise Failed(f"the results on this GPU are not the CPU's:\n{tail(done.stdout + done.stderr, 40)}")
    return f"Parity with the CPU: all {passed[1]} tests of `--test parity` pass (one an op, and some of what ops share)."


def counts(program: Sequence[str]) -> dict[str, int | str]:
    """Programs that a step starts, its compute passes, and how often it waits."""
    say("counting what a step starts ...")
    done = subprocess.run([*program, "counts", "device=gpu"], env={"ABR_FILM_THREADS": "1", **os.environ}, capture_output=True, text=True)
    answer = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not answer:
        raise Failed(f"no step was made on the GPU:\n{tail(done.stderr)}")
    return json.loads(answer[-1])


def sees_cuda(torch: Sequence[str] | None) -> bool:
    asks = "import torch, sys; sys.exit(not torch.cuda.is_available())"
    return torch is not None and subprocess.run([torch[0], "-c", asks], capture_output=True).returncode == 0


def driver() -> str:
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip().replace("\n", "; ")
    except (OSError, subprocess.CalledProcessError):
        return f"nvidia-smi {NOT_THERE}"


def head(setup: Setup, parity: str, began: float) -> str:
    options, found = setup.options, setup.counts
    versions = ", ".join(f"{name} {version}" for name, version in setup.versions.items()) or "nothing was timed"
    where = "the same GPU" if setup.cuda else "the CPU, as it sees no CUDA: its figures say nothing of a GPU"
    how = f"""PyTorch computes on {where}. Turns of {options.seconds} s, {options.rounds} rounds, one process a contender. Runs follow one
another for 20 ms and are waited for once. Ours gathers and uploads a new batch each step, draws its latent noise, and reads its losses
and the norms of FiLM's gradients; PyTorch's batch stays on the GPU, and its losses are not read. Ours has no TF32.

"""
    return f"""# On a GPU, beside PyTorch

{time.strftime("%Y-%m-%d %H:%M", time.localtime(began))}; {found["device"]}; {driver()}. Took {(time.time() - began) / 60:.0f} min.

Command: `python3 benches/gpu_peers.py {shlex.join(sys.argv[1:])}`. Versions: {versions}.

{how if setup.versions else ""}{parity} A step starts {found["dispatches"]} programs in {found["compute_passes"]} compute pass{"" if found["compute_passes"] == 1 else "es"} and waited for the GPU {found["waits"]} times in {found["steps"]} steps."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: [name for name in text.split(",") if name]
    numbers = lambda text: [int(name) for name in names(text)]
    parser.add_argument("--binary", type=Path, help="the bench `peer`, built elsewhere; else it is built here")
    parser.add_argument("--parity", type=Path, help="the test `parity`, built elsewhere; run first")
    parser.add_argument("--adapter", help="words of the GPU's name, where the first real one is not meant")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has torch [this one]")
    parser.add_argument("--without-torch", action="store_true")
    parser.add_argument("--only", type=names, default=SUBJECTS, help=f"any of {','.join(SUBJECTS)}")
    parser.add_argument("--modes", type=names, default=MODES, help=f"of PyTorch, any of {','.join(MODES)}")
    parser.add_argument("--batches", type=numbers, default=[32, 256, 1024, 4096], help="of a step [32,256,1024,4096]")
    parser.add_argument("--rows", type=numbers, default=[32, 1024, 4096], help="of products [32,1024,4096]")
    parser.add_argument("--no-large", action="store_true", help="leaves the product of 4096 x 4096 x 4096 out")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender [5]")
    parser.add_argument("--seconds", type=float, default=0.4, help="length of a turn [0.4]")
    parser.add_argument("--card", default="", help=f"for the roofline, any of {', '.join(c.name for c in roofline.CARDS)} [the one there is]")
    parser.add_argument("--tflops", type=float, help="the card's peak of 32-bit arithmetic, where it is none of these")
    parser.add_argument("--gb-s", type=float, help="its memory bandwidth")
    parser.add_argument("--dispatch-us", type=float, default=3.0, help="assumed for the start of a program, if not measured [3]")
    parser.add_argument("--out", type=Path, help="the report goes there too")
    options = parser.parse_args()
    for given, known in ((options.only, SUBJECTS), (options.modes, MODES)):
        if unknown := set(given) - set(known):
            parser.error(f"{', '.join(unknown)}: any of {', '.join(known)}")
    return options


def prepare(options: argparse.Namespace) -> Setup:
    if options.adapter:
        os.environ["ABR_FILM_ADAPTER"] = options.adapter
    ours, torch = [str(options.binary.resolve())] if options.binary else build.ours(), None
    if not options.without_torch:
        try:
            torch = build.torch_peer(options.python)
        except Failed as problem:
            say(f"going on without torch: {problem}")
    found = counts(ours)
    card = roofline.card_named(options.card or str(found["device"]))
    if options.tflops and options.gb_s:
        card = roofline.Card(options.card or str(found["device"]), options.tflops, options.gb_s)
    if card is None:
        raise Failed(f"no peaks are known of {options.card or found['device']}: give --tflops and --gb-s, or another --card")
    is_there = bool(options.tflops and options.gb_s) or roofline.card_named(str(found["device"])) == card
    return Setup(options, ours, torch, sees_cuda(torch), card, is_there, found)


def sections(setup: Setup) -> Iterator[str]:
    results: dict[int, float] = {}
    parts = {"dispatch": lambda: dispatches(setup), "step": lambda: steps(setup, results)}
    parts |= {"generate": lambda: generation(setup), "product": lambda: products(setup)}
    parts |= {"roofline": lambda: bounds(setup, results)}
    return (parts[name]() for name in SUBJECTS if name in setup.options.only)


def main() -> None:
    options, began, found, report, problem = parse(), time.time(), [], "", None
    try:
        setup = prepare(options)
        parity = check_parity(setup)
        for section in sections(setup):
            found.append(section)
            report = "\n\n".join([head(setup, parity, began), *found]) + "\n"
            # what was measured stays, whatever becomes of the rest
            if options.out:
                options.out.write_text(report)
    except Failed as failed:
        problem = f"error: {failed}"
    except KeyboardInterrupt:
        problem = "interrupted"
    print(report)
    sys.exit(problem)


main()
