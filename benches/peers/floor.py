"""What a step costs at least: the arithmetic of its matrix products, and one pass over all that Adam reads and writes."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Iterator, Sequence


@dataclass
class Layer:
    """A linear layer; that of an input of the model needs no gradient for it, which saves a third of the work. Behind it may stand a batch
    norm, and behind that FiLM."""

    inputs: int
    outputs: int
    first: bool = False
    normalised: bool = False
    modulated: bool = False


def layers(film: bool = True, width: float = 1.0) -> Iterator[Layer]:
    """Of the documented model, its decoder and heads `width` times as wide."""
    wide = lambda columns: int(columns * width)
    yield Layer(207, 512, first=True)
    yield from (Layer(512, 256), Layer(256, 128), Layer(128, 64), Layer(128, 64))
    inputs = 64
    for outputs in map(wide, (128, 256, 512, 1024)):
        yield Layer(inputs, outputs, normalised=True, modulated=film)
        for _ in range(2 if film else 0):
            yield from (Layer(7, 64, first=True), Layer(64, outputs))
        inputs = outputs
    yield from (Layer(inputs, wide(2048), normalised=True), Layer(wide(2048), 200))
    yield from (Layer(inputs, wide(512), normalised=True), Layer(wide(512), wide(256), normalised=True))
    yield Layer(wide(256), 7)


def parameters(film: bool = True, width: float = 1.0) -> int:
    """Weights, biases, and two a normalised column."""
    return sum((layer.inputs + 1 + 2 * layer.normalised) * layer.outputs for layer in layers(film, width))


assert (parameters(True), parameters(False)) == (4_415_567, 4_161_871)


def step_gflop(batch: int, width: float = 1.0) -> float:
    """Forward, weights' gradients, inputs' gradients; a multiply-add is two."""
    products = sum(layer.inputs * layer.outputs * (2 if layer.first else 3) for layer in layers(width=width))
    return 2 * batch * products / 1e9


@dataclass
class Limits:
    """What a machine can do with so many threads."""

    instructions: str
    gflops: float
    adam_ms: float

    def floor_ms(self, batch: int, width: float = 1.0) -> tuple[float, float]:
        """The products, and Adam's pass."""
        return step_gflop(batch, width) / self.gflops * 1e3, self.adam_ms * parameters(width=width) / parameters()


def limits(program: Sequence[str], threads: int) -> Limits | None:
    """The best of some tries; `None` where no peak is known for the kind of CPU."""
    command, environment = [*program, "limits"], os.environ | {"ABR_FILM_THREADS": str(threads)}
    once = lambda: subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    tries = [json.loads(once()) for _ in range(3)]
    gflops, adam_ms = max(t["gflops"] for t in tries), min(t["adam_ms"] for t in tries)
    return Limits(tries[0]["set"], gflops, adam_ms) if gflops else None
