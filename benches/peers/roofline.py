"""What a step takes at least on a card: each op's arithmetic at the card's peak or its memory traffic, whichever takes longer, and
the starts of its programs.

Traffic is what an op cannot do without: every tensor that it reads or writes, once; activations and dropout are done on the way. Where a
card's cache keeps a tensor for the next op, less passes through its memory: the bound is then not strict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterator

from floor import layers, parameters


@dataclass(frozen=True)
class Card:
    """Peaks of 32-bit arithmetic without tensor cores, and of memory."""

    name: str
    tflops: float
    gb_s: float


# the makers' data sheets: FP32 (not TF32) and memory bandwidth
CARDS = (
    Card("H200", 67.0, 4800.0),  # NVIDIA H200 Tensor Core GPU datasheet, SXM: 67 TFLOPS, 4.8 TB/s
    Card("H100", 67.0, 3350.0),  # NVIDIA H100 Tensor Core GPU datasheet, SXM: 67 TFLOPS, 3.35 TB/s
    Card("A100", 19.5, 2039.0),  # NVIDIA A100 Tensor Core GPU datasheet, 80 GB SXM: 19.5 TFLOPS, 2039 GB/s
    Card("L4", 30.3, 300.0),  # NVIDIA L4 Tensor Core GPU datasheet: 30.3 TFLOPS, 300 GB/s
    Card("RTX 4090", 82.6, 1008.0),  # NVIDIA Ada GPU Architecture whitepaper, appendix A: 82.6 TFLOPS, 1008 GB/s
)


def card_named(name: str) -> Card | None:
    """The one whose name is a word of `name`, as drivers and people write it."""
    return next((card for card in CARDS if re.search(rf"\b{card.name}\b", name, re.IGNORECASE)), None)


@dataclass(frozen=True)
class Work:
    """Of one op."""

    flop: float
    bytes: float

    def ms(self, card: Card) -> float:
        return max(self.arithmetic_ms(card), self.traffic_ms(card))

    def arithmetic_ms(self, card: Card) -> float:
        return self.flop / card.tflops / 1e9

    def traffic_ms(self, card: Card) -> float:
        return self.bytes / card.gb_s / 1e6

    def bound(self, card: Card) -> str:
        return "arithmetic" if self.arithmetic_ms(card) > self.traffic_ms(card) else "memory"


def work(flop: float, numbers: float) -> Work:
    return Work(flop, 4.0 * numbers)


def product(rows: int, inputs: int, outputs: int) -> Work:
    """`y = x W^T + b`"""
    return work(2.0 * rows * inputs * outputs, rows * (inputs + outputs) + (inputs + 1) * outputs)


def step(batch: int) -> Iterator[Work]:
    """The ops of a step of the documented model."""
    for layer in layers():
        x, y, weight = batch * layer.inputs, batch * layer.outputs, layer.inputs * layer.outputs
        forward = product(batch, layer.inputs, layer.outputs)
        yield forward
        yield work(forward.flop, y + x + weight + layer.outputs)  # of weight and bias
        if not layer.first:
            yield work(forward.flop, y + weight + x)  # of the input
        if layer.normalised:
            # reads its input and, modulated, gamma and beta; back, also the gradient, and writes that of all three
            more = 2 * y if layer.modulated else 0
            yield work(0, 2 * y + more)
            yield work(0, 3 * y + (3 * y if layer.modulated else 0))
    yield work(0, 3 * batch * (200 + 7))  # the losses: what was decoded, what it should be, the gradient
    yield work(0, 7 * parameters())  # Adam: reads four arrays, writes three


def total(works: list[Work]) -> Work:
    return Work(sum(w.flop for w in works), sum(w.bytes for w in works))
