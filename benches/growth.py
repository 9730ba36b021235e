#!/usr/bin/env python3
"""How the cost of a training step grows with batch and width, ours beside PyTorch's: python3 benches/growth.py

Measured as benches/peers.py does; a table goes to stdout, a picture of both panels to
benches/results/DATE-growth.svg, of today.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "peers"))
import build
from chart import Panel, draw
from contender import ROOT, TARGET, Contender, Failed, counted, say, take_turns
from floor import limits, parameters

BATCHES = [32 * 2**i for i in range(9)]
WIDTHS = [0.5, 1.0, 2.0, 4.0]
# between the batches that the arithmetic and those that memory decides
WIDTHS_BATCH = 128
LABELS = {"ours": "abr-film", "torch": "PyTorch (eager, fused Adam)", "floor": "floor: products at the peak + Adam's pass"}
KEPT = TARGET / "growth.json"


def measure(options: argparse.Namespace) -> dict:
    """`{"batch" or "width": {"ours", "torch" or "floor": [[x, ms], ...]}}`"""
    programs = {"ours": build.ours()}
    if options.without_torch:
        say("without PyTorch, as asked")
    else:
        try:
            programs["torch"] = build.torch_peer(options.python)
        except Failed as problem:
            say(f"going on without torch: {problem}")
    limit = limits(programs["ours"], options.threads)
    points = [("batch", float(batch), batch, 1.0) for batch in BATCHES if batch <= options.largest]
    points += [("width", width, WIDTHS_BATCH, width) for width in WIDTHS]
    found = {"batch": {}, "width": {}}
    for panel, x, batch, width in points:
        say(f"batch {batch}, width {width}")
        job = ["step", f"batch={batch}", f"width={width}"]
        each = [Contender(name, [*p, *job], options.threads, parameters(width=width)) for name, p in programs.items()]
        for contender in take_turns(each, options.rounds, options.seconds):
            found[panel].setdefault(contender.name, []).append([x, contender.ms])
        if limit:
            found[panel].setdefault("floor", []).append([x, sum(limit.floor_ms(batch, width))])
    return found


def table(title: str, lines: dict[str, list[list[float]]]) -> str:
    columns = {name: {x: ms for x, ms in points} for name, points in lines.items()}
    names = [name for name in LABELS if name in columns]
    rows = [f"| {title} | " + " | ".join(f"{name}, ms" for name in names) + " | torch / ours | ours / floor |"]
    rows.append("| --- " * (len(names) + 3) + "|")
    for x in sorted({x for column in columns.values() for x in column}):
        ms = {name: columns[name].get(x) for name in names}
        ratio = lambda a, b: f"{ms[a] / ms[b]:.2f}" if ms.get(a) and ms.get(b) else "–"
        cells = [f"{ms[name]:.2f}" if ms[name] else "–" for name in names]
        rows.append(f"| {x:g} | " + " | ".join([*cells, ratio("torch", "ours"), ratio("ours", "floor")]) + " |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender [3]")
    parser.add_argument("--seconds", type=float, default=0.4, help="length of a turn [0.4]")
    parser.add_argument("--threads", type=int, default=2, help="[2]")
    parser.add_argument("--largest", type=int, default=BATCHES[-1], help=f"batch [{BATCHES[-1]}]")
    parser.add_argument("--without-torch", action="store_true")
    parser.add_argument("--python", help="an interpreter that has torch, instead of a virtual environment made here")
    parser.add_argument("--redraw", action="store_true", help="draw the last measurement again")
    parser.add_argument("--out", type=Path, default=ROOT / "benches" / "results" / f"{date.today()}-growth.svg")
    options = parser.parse_args()
    try:
        if not options.redraw:
            kept = measure(options) | {"threads": options.threads}
            TARGET.mkdir(parents=True, exist_ok=True)
            KEPT.write_text(json.dumps(kept))
        elif not KEPT.exists():
            raise Failed("nothing was measured yet: leave --redraw out")
    except Failed as problem:
        sys.exit(f"error: {problem}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
    kept = json.loads(KEPT.read_text())
    print(table("batch", kept["batch"]), table(f"width (batch {WIDTHS_BATCH})", kept["width"]), sep="\n\n")
    batches = Panel("Cost by batch", "rows in a batch", kept["batch"])
    widths = Panel(f"Cost by width, {WIDTHS_BATCH} rows", "times the documented decoder's width", kept["width"])
    title = f"A whole training step of the FiLM-CVAE, {counted(kept['threads'])}"
    options.out.write_text(draw(title, "ms a step", [batches, widths], LABELS))
    say(f"drawn: {options.out}")


main()
