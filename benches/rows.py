#!/usr/bin/env python3
"""Time and peak memory of each command that reads or writes many rows: python3 benches/rows.py [PROGRAM]...

Without a program it builds and measures this checkout's; several run in turns. A table goes to stdout.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROWS_PER_SUBJECT = 50
QUIET = ["--set", "output.report=false"]


@dataclass
class Run:
    seconds: float
    megabytes: float
    code: int | None

    def cell(self) -> str:
        if self.code is None:
            return f"not done in {self.seconds:.0f} s, {self.megabytes:.0f} MB"
        failed = "" if self.code == 0 else f" (failed: {self.code})"
        return f"{self.seconds:.1f} s, {self.megabytes:.0f} MB{failed}"


def run(command: list[str], limit: float) -> Run:
    """Runs a command; `code` is None if it was ended at `limit` seconds."""
    begin = time.monotonic()
    messages = tempfile.TemporaryFile("w+")
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=messages)
    timer = threading.Timer(limit, os.kill, (child.pid, signal.SIGKILL))
    timer.start()
    _, status, usage = os.wait4(child.pid, 0)
    timer.cancel()
    seconds = time.monotonic() - begin
    ended = seconds > limit
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0 and not ended:
        messages.seek(0)
        print(f"{' '.join(command)}\n{messages.read()}", file=sys.stderr)
    return Run(seconds, usage.ru_maxrss / 1e3, None if ended else child.returncode)


def jobs(rows: int, place: Path) -> dict[str, list[str]]:
    """Each command's arguments; a later one reads what an earlier one wrote."""
    config = ["--config", str(ROOT / "configs/quickstart.json")]
    size = ["--set", f"data.synth.subjects={rows // ROWS_PER_SUBJECT}"]
    size += ["--set", f"data.synth.rows_per_subject={ROWS_PER_SUBJECT}"]
    table, arrays, trained = str(place / "rows.csv"), str(place / "rows.npz"), str(place / "run")
    epoch = ["--set", "training.num_epochs=1", "--device", "cpu"]
    return {
        "synth (CSV)": ["data", "synth", *config, *size, "--out", table],
        "import (CSV to npz)": ["data", "import", table, "--out", arrays],
        "train (CSV, one epoch)": ["train", *config, "--data", table, *epoch, *QUIET, "--force", "--out", trained],
        "train (npz, one epoch)": ["train", *config, "--data", arrays, *epoch, *QUIET, "--force", "--out", trained],
        "eval (npz)": ["eval", "--model", trained, "--device", "cpu", "--json"],
        "generate (CSV)": ["generate", "--model", trained, "-n", str(rows), "--device", "cpu", "--out", table],
        "generate (npz)": ["generate", "--model", trained, "-n", str(rows), "--device", "cpu", "--out", arrays],
    }


def measure(programs: list[str], rows: int, rounds: int, limit: float) -> dict[str, list[Run]]:
    """The medians of each job, one for each program."""
    found: dict[str, list[list[Run]]] = {}
    places = [Path(tempfile.mkdtemp(prefix="rows-")) for _ in programs]
    try:
        for job in jobs(rows, places[0]):
            found[job] = [[] for _ in programs]
            for _ in range(rounds):
                for index, (program, place) in enumerate(zip(programs, places)):
                    result = run([program, *jobs(rows, place)[job]], limit)
                    print(f"{rows} rows, {job}, {program}: {result.cell()}", file=sys.stderr)
                    found[job][index].append(result)
    finally:
        for place in places:
            shutil.rmtree(place)
    return {job: [median(runs) for runs in each] for job, each in found.items()}


def median(runs: list[Run]) -> Run:
    codes = {run.code for run in runs}
    code = codes.pop() if len(codes) == 1 else next(code for code in codes if code != 0)
    return Run(statistics.median(r.seconds for r in runs), statistics.median(r.megabytes for r in runs), code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM")
    parser.add_argument("--rows", type=int, nargs="+", default=[50_000, 500_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--limit", type=float, default=900, help="seconds after which a command is ended")
    options = parser.parse_args()
    if not options.programs:
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
        options.programs = [str(ROOT / "target/release/abr-film")]
    for rows in options.rows:
        print(f"| {rows:,} rows | " + " | ".join(options.programs) + " |")
        print("| --- " * (len(options.programs) + 1) + "|")
        for job, each in measure(options.programs, rows, options.rounds, options.limit).items():
            print(f"| {job} | " + " | ".join(r.cell() for r in each) + " |", flush=True)
        print()


if __name__ == "__main__":
    main()
