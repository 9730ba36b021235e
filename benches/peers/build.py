"""Builds what is measured, under target/peers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Sequence

from contender import ROOT, TARGET, Failed, say, tail

PEERS = ROOT / "benches" / "peers"


def run(what: str, command: Sequence[str | Path], environment: dict[str, str] | None = None) -> str:
    say(f"{what} ...")
    environment = os.environ | (environment or {})
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    except FileNotFoundError:
        raise Failed(f"{what}: {command[0]} is not there") from None
    if done.returncode != 0:
        raise Failed(f"{what} failed ({' '.join(map(str, command))}):\n{tail(done.stderr or done.stdout)}")
    return done.stdout


def ours() -> list[str]:
    if shutil.which("cargo") is None:
        raise Failed("cargo is needed: see https://rustup.rs")
    command = ["cargo", "bench", "--bench", "peer", "--no-run", "--message-format=json"]
    messages = [json.loads(line) for line in run("building abr-film", command).splitlines() if line.startswith("{")]
    programs = [m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "peer"]
    return [programs[-1]]


def rust_peer(name: str) -> list[str]:
    """candle or burn, with all the instructions this CPU has; ours is built for any CPU and chooses at run time."""
    target = TARGET / name
    command = ["cargo", "build", "--release", "--locked", "--manifest-path", PEERS / name / "Cargo.toml"]
    run(f"building {name}", [*command, "--target-dir", target], {"RUSTFLAGS": "-C target-cpu=native"})
    return [str(target / "release" / f"{name}-peer")]


def torch_peer(python: str | None, packages: Sequence[str] = ("torch",)) -> list[str]:
    """PyTorch under `python`, or in a virtual environment made here."""
    if python is None:
        home = TARGET / "venv"
        python = str(home / "bin" / "python")
        if not Path(python).exists() or missing(python, "pip"):
            try:
                run("making a virtual environment", [sys.executable, "-m", "venv", "--clear", home])
            except Failed as problem:
                remedy = "install Python's venv module, or name an interpreter that has torch with --python"
                raise Failed(f"{problem}\n{remedy}") from None
        wanted = [package for package in packages if missing(python, package)]
        if wanted:
            run(f"installing {', '.join(wanted)} (this takes minutes)", [python, "-m", "pip", "install", *wanted])
    elif missing(python, "torch"):
        raise Failed(f"{python} has no torch: install it there, or leave --python out")
    return [python, str(PEERS / "torch_peer.py")]


def missing(python: str, module: str) -> bool:
    found = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{module}') is None)"
    try:
        return subprocess.run([python, "-c", found], capture_output=True).returncode != 0
    except FileNotFoundError:
        raise Failed(f"{python} is not there") from None
