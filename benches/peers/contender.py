"""Programs that are measured in turns: one process each, asleep while another has its turn."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Sequence

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "target" / "peers"

# a process that says nothing for so long is hung; compiling a model takes a minute or two
PATIENCE_S = 400.0


# takes the way of Ctrl-C, so that no sleeping process is left behind
signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))


class Failed(Exception):
    """A contender that cannot go on, and why."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def counted(threads: int) -> str:
    return f"{threads} thread{'' if threads == 1 else 's'}"


def tail(text: str, lines: int = 15) -> str:
    return "\n".join("    " + line for line in text.strip().splitlines()[-lines:])


@dataclass
class Contender:
    """A program with its arguments; after `start` it is a process that answers how many ms a run takes."""

    name: str
    command: Sequence[str]
    threads: int
    parameters: int | None = None
    times: list[float] = field(default_factory=list)
    start_ms: float = 0.0
    memory_mb: float = 0.0
    version: str = ""

    def start(self) -> None:
        """Until its first run is done; then it sleeps."""
        count = str(self.threads)
        variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "ABR_FILM_THREADS")
        environment = os.environ | {name: count for name in variables}
        # what torch.compile makes is kept, and made by no other processes, which would not sleep with this one
        environment |= {"TORCHINDUCTOR_CACHE_DIR": str(TARGET / "inductor"), "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        self.errors = tempfile.TemporaryFile("w+")
        begin = time.perf_counter()
        # in a session of its own, so that signals reach all it starts and Ctrl-C reaches this driver alone
        self.process = subprocess.Popen(
            self.command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            text=True, start_new_session=True,
        )  # fmt: skip
        ready = self._answer()
        self.start_ms = (time.perf_counter() - begin) * 1e3
        self.version = str(ready["version"])
        if self.parameters not in (None, ready["parameters"]):
            self.close()
            raise Failed(f"{self.name} has {ready['parameters']} parameters instead of {self.parameters}")
        self.parameters = int(ready["parameters"])
        self._signal(signal.SIGSTOP)

    def turn(self, seconds: float) -> float:
        """Median ms of the runs of so many seconds."""
        self._signal(signal.SIGCONT)
        try:
            print(seconds, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # dead: the missing answer tells why
        ms = float(self._answer()["ms"])
        self._signal(signal.SIGSTOP)
        return ms

    def close(self) -> None:
        if hasattr(self, "process"):
            self._signal(signal.SIGKILL)
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.errors.close()
            del self.process

    def note_memory(self) -> None:
        """The most memory it ever had resident, where the kernel says so (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status")
        for line in status.read_text().splitlines() if status.exists() else []:
            if line.startswith("VmHWM:"):
                self.memory_mb = int(line.split()[1]) * 1024 / 1e6

    @property
    def ms(self) -> float:
        return statistics.median(self.times)

    def _answer(self) -> dict[str, float | str]:
        timer = threading.Timer(PATIENCE_S, self._signal, [signal.SIGKILL])
        timer.start()
        try:
            for line in self.process.stdout:
                if line.startswith("{"):
                    return json.loads(line)
        finally:
            timer.cancel()
        code = self.process.wait()
        self.errors.seek(0)
        why = " (out of memory, or hung)" if code == -signal.SIGKILL else ""
        problem = f"{self.name} ({' '.join(map(str, self.command[1:]))}) ended with code {code}{why}:"
        problem += f"\n{tail(self.errors.read())}"
        self.close()
        raise Failed(problem)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


def take_turns(contenders: Sequence[Contender], rounds: int, seconds: float) -> list[Contender]:
    """Measures them one after the other, `rounds` times; returns those that came through."""
    alive = list(contenders)

    def attempt(each) -> None:
        for contender in list(alive):
            try:
                each(contender)
            except Failed as problem:
                say(f"left out: {problem}")
                alive.remove(contender)

    try:
        attempt(Contender.start)
        attempt(lambda contender: contender.turn(seconds / 2))  # warms up, and is not counted
        for _ in range(rounds):
            attempt(lambda contender: contender.times.append(contender.turn(seconds)))
        attempt(Contender.note_memory)
    finally:
        for contender in contenders:
            contender.close()
    return alive


def by_rounds(slow: Contender, fast: Contender) -> float:
    """The median of the ratios of each round: what disturbs a round disturbs both."""
    return statistics.median(s / f for s, f in zip(slow.times, fast.times))
