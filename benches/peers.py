#!/usr/bin/env python3
"""Our training step and generation beside PyTorch, candle and burn, on the CPU: python3 benches/peers.py

Each contender is a process of its own; they take turns, so that what else the machine does meets all alike, and sleep in
between. Everything is built and installed under target/peers. A Markdown report goes to stdout, progress to stderr.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Sequence

sys.path.insert(0, str(Path(__file__).parent / "peers"))
import build
from contender import Contender, Failed, by_rounds, counted, say, take_turns
from floor import limits, parameters, step_gflop
from report import number, table

SUBJECTS = ("step", "generate", "film", "start")
INSTRUCTIONS = ("avx", "fma", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve")

# how many times as fast as PyTorch's best mode we want to be, by batch, with 1 thread and with 2
STEP_GOALS = {32: (2.6, 2.8), 128: (2.3, 2.4), 512: (1.6, 1.9), 2048: (1.5, 1.6)}
GENERATE_GOALS = {1: (4.0, 5.0), 1024: (1.4, 1.6)}
FILM_GOAL_PERCENT, START_GOAL_MS, MEMORY_GOAL_MB = 8, 100, 250

# where the slow ones are measured too: torch.compile takes a minute a setting, candle and burn seconds a step
COMPILED_BATCHES, RUST_BATCHES, FILM_BATCHES = (32, 512), (32, 512), (32, 512)


@dataclass
class Setup:
    """What is measured how."""

    options: argparse.Namespace
    programs: dict[str, list[str]]
    versions: dict[str, str] = field(default_factory=dict)

    def contender(self, name: str, threads: int, job: str, *arguments: str, film: bool = True) -> Contender:
        """`name` is one of the programs, or `compiled` for PyTorch's other mode."""
        program = self.programs["torch" if name == "compiled" else name]
        arguments = (*arguments, *(["mode=compile"] if name == "compiled" else []))
        if not film:
            arguments = (*arguments, "film=false")
        return Contender(name, [*program, job, *arguments], threads, parameters(film))

    def has(self, name: str) -> bool:
        asked = name not in self.options.without
        return asked and ("torch" if name == "compiled" else name) in self.programs

    def measure(self, contenders: Sequence[Contender], rounds: int | None = None) -> dict[str, Contender]:
        """The first is ours: without it there is nothing to compare."""
        names, (ours, *_) = " / ".join(c.name for c in contenders), contenders
        say(f"{' '.join(ours.command[1:])}, {counted(ours.threads)}: {names}")
        rounds = rounds or self.options.rounds
        done = {c.name: c for c in take_turns(contenders, rounds, self.options.seconds)}
        if contenders[0].name not in done:
            raise Failed("our own side of the comparison failed")
        self.versions |= {name: c.version for name, c in done.items() if "plain" not in name}
        return done


def goal(goals: tuple[float, float] | None, threads: int) -> float | None:
    return goals[threads - 1] if goals and threads <= len(goals) else None


def versus(done: dict[str, Contender], wanted: float | None) -> list[str]:
    """Cells: each contender's ms (and its ratio to ours), ratios to the best of PyTorch, the goal."""
    ours = done["ours"]
    cells = [number(ours.ms)]
    for name in ("torch", "compiled", "candle", "burn"):
        cells.append(f"{number(done[name].ms)} ({done[name].ms / ours.ms:.2f})" if name in done else "–")
    torch = [done[name] for name in ("torch", "compiled") if name in done]
    if not torch:
        return [*cells, "–", "–", f"{wanted}" if wanted else "–", "–"]
    best = min(torch, key=lambda c: c.ms)
    ratio, paired = best.ms / ours.ms, by_rounds(best, ours)
    mode = "eager" if best.name == "torch" else "compiled"
    met = "–" if wanted is None else "yes" if ratio >= wanted else "no"
    return [*cells, f"{ratio:.2f} ({mode})", f"{paired:.2f}", f"{wanted}" if wanted else "–", met]


VERSUS = ("ours", "PyTorch eager", "compiled", "candle", "burn", "best PyTorch / ours", "by rounds", "goal", "met")


def steps(setup: Setup, results: dict[tuple[int, int], float]) -> str:
    rows = []
    for batch in setup.options.batches:
        for threads in setup.options.threads:
            names = ["ours", "torch"]
            names += ["compiled"] if batch in COMPILED_BATCHES else []
            names += ["candle", "burn"] if batch in RUST_BATCHES and threads == max(setup.options.threads) else []
            names = [name for name in names if setup.has(name)]
            done = setup.measure([setup.contender(name, threads, "step", f"batch={batch}") for name in names])
            results[batch, threads] = done["ours"].ms
            rows.append([str(batch), str(threads), *versus(done, goal(STEP_GOALS.get(batch), threads))])
    compiled = " and ".join(map(str, COMPILED_BATCHES))
    text = "Medians in ms, in brackets how many times ours. PyTorch's compiled mode was measured at batch "
    text += f"{compiled} only: elsewhere its best mode is the eager one.\n\n"
    return "## Whole training step\n\n" + text + table(["batch", "threads", *VERSUS], rows)


def generation(setup: Setup) -> str:
    rows, rates = [], []
    for batch, goals in GENERATE_GOALS.items():
        for threads in setup.options.threads:
            names = [name for name in ("ours", "torch", "compiled") if setup.has(name)]
            done = setup.measure([setup.contender(name, threads, "generate", f"batch={batch}") for name in names])
            row = versus(done, goal(goals, threads))
            rows.append([str(batch), str(threads), *row[:3], *row[5:]])
            each = ", ".join(f"{name} {batch / c.ms * 1e3:,.0f}" for name, c in done.items())
            rates += [f"Traces a second at batch {batch}, {counted(threads)}: {each}."] if batch > 1 else []
    text = "Latents and conditions are given, in evaluation mode; ms a batch.\n\n"
    header = ["batch", "threads", *VERSUS[:3], *VERSUS[5:]]
    return "## Generation\n\n" + text + table(header, rows) + "\n\n" + "\n".join(rates)


def film(setup: Setup) -> str:
    rows = []
    for batch, threads in product(FILM_BATCHES, setup.options.threads):
        contenders = []
        for name in [name for name in ("ours", "torch") if setup.has(name)]:
            for on in (True, False):
                contenders.append(setup.contender(name, threads, "step", f"batch={batch}", film=on))
                contenders[-1].name = name if on else f"{name}, plain"
        # a difference of a few percent needs more rounds than a ratio of two
        done = setup.measure(contenders, 3 * setup.options.rounds)
        for name in ("ours", "torch"):
            on, off = done.get(name), done.get(f"{name}, plain")
            if on and off:
                adds = 100 * (by_rounds(on, off) - 1)
                met = "–" if name != "ours" else "yes" if adds <= FILM_GOAL_PERCENT else "no"
                rows.append([str(batch), str(threads), name, number(on.ms), number(off.ms), f"{adds:+.1f} %", met])
    text = f"The addition is the median over the rounds; goal: at most {FILM_GOAL_PERCENT} %.\n\n"
    header = ["batch", "threads", "", "with, ms", "without, ms", "adds", "met"]
    return "## What FiLM adds to a step\n\n" + text + table(header, rows)


def start(setup: Setup) -> str:
    """New processes in turns, for the median of their starts; memory is the largest of them."""
    threads, began, memory = max(setup.options.threads), {}, {}
    for _ in range(setup.options.rounds):
        for name in [name for name in ("ours", "torch", "candle", "burn") if setup.has(name)]:
            done = take_turns([setup.contender(name, threads, "step", "batch=32")], 1, setup.options.seconds)
            for c in done:
                began.setdefault(name, []).append(c.start_ms)
                memory[name] = max(memory.get(name, 0.0), c.memory_mb)
    rows = []
    for name, times in began.items():
        ms = statistics.median(times)
        met = ["yes" if ms <= START_GOAL_MS else "no", "yes" if 0 < memory[name] <= MEMORY_GOAL_MB else "no"]
        met = met if name == "ours" else ["–", "–"]
        rows.append([name, number(ms), met[0], number(memory[name]) if memory[name] else "unknown", met[1]])
    text = "From the start of the process to the end of the first step, on data made in memory "
    text += f"(goal: {START_GOAL_MS} ms); the most memory resident in training at batch 32 "
    text += f"(goal: {MEMORY_GOAL_MB} MB); {counted(threads)}.\n\n"
    return "## Start-up and memory\n\n" + text + table(["", "start-up, ms", "met", "memory, MB", "met"], rows)


def bounds(setup: Setup, results: dict[tuple[int, int], float]) -> str:
    found = {threads: limits(setup.programs["ours"], threads) for threads in setup.options.threads}
    if None in found.values():
        return "## Floor\n\nNo multiply-add peak is known for this kind of CPU."
    rows = []
    for (batch, threads), ours in results.items():
        products, adam = found[threads].floor_ms(batch)
        row = [step_gflop(batch), products, adam, products + adam, ours, ours / (products + adam)]
        rows.append([str(batch), str(threads), *map(number, row), f"{100 * products / ours:.0f} %"])
    peaks = ", ".join(f"{limit.gflops:.0f} GFLOP/s with {counted(threads)}" for threads, limit in found.items())
    instructions = next(iter(found.values())).instructions
    text = f"Multiply-add peak, measured ({instructions}): {peaks}. The floor is the matrix products of a step at that peak, "
    text += "and one pass over parameters, gradients and moments (a loop that only adds).\n\n"
    header = ["batch", "threads", "GFLOP", "products, ms", "Adam's pass, ms", "floor, ms", "ours, ms", "ours / floor", "of peak"]
    return "## Floor\n\n" + text + table(header, rows)


def machine() -> tuple[str, str]:
    """Model and vector instructions."""
    path = Path("/proc/cpuinfo")
    found = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line) if path.exists() else {}
    found = {key.strip(): value.strip() for key, value in found.items()}
    flags = found.get("flags", found.get("Features", "")).split()
    vector = [flag for flag in INSTRUCTIONS if flag in flags]
    return found.get("model name", platform.processor() or platform.machine()), " ".join(vector)


def head(setup: Setup, began: float, load: tuple[float, float, float]) -> str:
    options, (model, vector) = setup.options, machine()
    versions = ", ".join(f"{name} {version}" for name, version in setup.versions.items() if name != "compiled")
    after = os.getloadavg()
    return f"""# Beside PyTorch, candle and burn

{time.strftime("%Y-%m-%d %H:%M", time.localtime(began))}; {model}, {os.cpu_count()} cores; {vector}.
Load before {load[0]:.1f}, after {after[0]:.1f} (one contender runs at a time). Took {(time.time() - began) / 60:.0f} min.

Command: `python3 benches/peers.py {" ".join(sys.argv[1:])}`. Versions: {versions}.
Turns of {options.seconds} s, {options.rounds} rounds, one process a contender; threads are the same for all in a row.
The model, its step (zero gradients, forward with dropout, loss, backward, Adam) and the random data are the same for all; ours
also gathers the batch from more rows, draws from a counter-based generator whose noise does not depend on the threads, and takes
the norms of FiLM's gradients.
PyTorch runs fused Adam in both modes. candle and burn are compiled for this very CPU, ours for any."""


def build_all(options: argparse.Namespace) -> dict[str, list[str]]:
    programs = {"ours": build.ours()}
    builders = {"torch": lambda: build.torch_peer(options.python)}
    builders |= {name: lambda name=name: build.rust_peer(name) for name in ("candle", "burn")}
    for name, builder in builders.items():
        if name not in options.without:
            try:
                programs[name] = builder()
            except Failed as problem:
                say(f"going on without {name}: {problem}")
    return programs


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: [name for name in text.split(",") if name]
    numbers = lambda text: [int(name) for name in names(text)]
    parser.add_argument("--without", type=names, default=[], help="torch, compiled, candle, burn: any of them")
    parser.add_argument("--only", type=names, default=SUBJECTS, help=f"any of {','.join(SUBJECTS)}")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender [5]")
    parser.add_argument("--seconds", type=float, default=0.4, help="length of a turn [0.4]")
    parser.add_argument("--threads", type=numbers, default=[1, 2], help="[1,2]")
    parser.add_argument("--batches", type=numbers, default=list(STEP_GOALS), help="of the step [32,128,512,2048]")
    parser.add_argument("--python", help="an interpreter that has torch, instead of a virtual environment made here")
    parser.add_argument("--out", type=Path, help="the report goes there too")
    options = parser.parse_args()
    for name in options.without:
        if name not in ("torch", "compiled", "candle", "burn"):
            parser.error(f"--without {name}: torch, compiled, candle or burn")
    for name in options.only:
        if name not in SUBJECTS:
            parser.error(f"--only {name}: {', '.join(SUBJECTS)}")
    return options


def main() -> None:
    options = parse()
    try:
        setup = Setup(options, build_all(options))
        began, load, results = time.time(), os.getloadavg(), {}
        parts = {"step": lambda: steps(setup, results), "generate": lambda: generation(setup)}
        parts |= {"film": lambda: film(setup), "start": lambda: start(setup)}
        sections = [parts[name]() for name in options.only]
        sections += [bounds(setup, results)] if results else []
    except Failed as problem:
        sys.exit(f"error: {problem}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
    report = "\n\n".join([head(setup, began, load), *sections]) + "\n"
    print(report)
    if options.out:
        options.out.write_text(report)


main()
