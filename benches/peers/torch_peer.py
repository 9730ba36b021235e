"""The documented model in PyTorch, measured as benches/peers.py asks; benches/peers/protocol.rs says how the two talk.

    torch_peer.py step|generate [batch=32] [film=true] [width=1] [mode=eager|compile]
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ARGUMENTS = dict(argument.split("=", 1) for argument in sys.argv[2:])
BATCH = int(ARGUMENTS.get("batch", "32"))
FILM = ARGUMENTS.get("film", "true") == "true"
WIDTH = float(ARGUMENTS.get("width", "1"))
COMPILE = ARGUMENTS.get("mode", "eager") == "compile"


class Film(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma, self.beta = (nn.Sequential(nn.Linear(7, 64), nn.ReLU(), nn.Linear(64, width)) for _ in range(2))

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        return self.gamma(condition) * h + self.beta(condition)


def dense(inputs: int, outputs: int, rate: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.LeakyReLU(0.2), nn.BatchNorm1d(outputs), nn.Dropout(rate))


class Cvae(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        encoder: list[nn.Module] = []
        for inputs, outputs, rate in [(207, 512, 0.2), (512, 256, 0.2), (256, 128, 0.1)]:
            encoder += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(rate)]
        self.encoder = nn.Sequential(*encoder)
        self.mu, self.logvar = nn.Linear(128, 64), nn.Linear(128, 64)
        widths = [64] + [int(width * WIDTH) for width in (128, 256, 512, 1024)]
        signal, first, second = (int(width * WIDTH) for width in (2048, 512, 256))
        self.levels = nn.ModuleList(dense(i, o, 0.15) for i, o in zip(widths, widths[1:]))
        self.films = nn.ModuleList(Film(width) for width in widths[1:]) if FILM else None
        self.signal = nn.Sequential(dense(widths[-1], signal, 0.1), nn.Linear(signal, 200))
        self.condition = nn.Sequential(dense(widths[-1], first, 0.1), dense(first, second, 0.1), nn.Linear(second, 7))

    def decode(self, h: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        for i, level in enumerate(self.levels):
            h = level(h)
            if self.films is not None:
                h = self.films[i](h, condition)
        return self.signal(h), self.condition(h)

    def loss(self, signal: Tensor, condition: Tensor) -> Tensor:
        h = self.encoder(torch.cat([signal, condition], 1))
        mu, logvar = self.mu(h).clamp(-10, 10), self.logvar(h).clamp(-20, 2)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        decoded, read = self.decode(z, condition)
        kl = (-0.5 * (1 + logvar - mu * mu - logvar.exp()).sum(1)).mean()
        return F.mse_loss(decoded, signal) + F.mse_loss(read, condition) + 0.01 * kl


def step(model: Cvae) -> Callable[[], object]:
    # the fused optimiser is the fastest of PyTorch's three
    adam = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    signal, condition = torch.randn(BATCH, 200), torch.randn(BATCH, 7)
    loss = torch.compile(model.loss, dynamic=False) if COMPILE else model.loss

    def run() -> None:
        adam.zero_grad(set_to_none=True)
        loss(signal, condition).backward()
        adam.step()

    return run


def generate(model: Cvae) -> Callable[[], object]:
    model.eval()
    z, condition = torch.randn(BATCH, 64), torch.randn(BATCH, 7)
    decode = model.decode
    if COMPILE:
        from torch._inductor import config

        # weights become constants, which may then be packed for the products
        config.freezing = True
        decode = torch.compile(decode, dynamic=False)

    def run() -> None:
        with torch.inference_mode():
            decode(z, condition)

    return run


def sample(run: Callable[[], object], seconds: float) -> dict[str, float]:
    run()  # as in protocol.rs: with cold caches
    begin, times = time.perf_counter(), []
    while not times or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return {"ms": statistics.median(times), "runs": len(times)}


def main() -> None:
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    model = Cvae()
    run = {"step": step, "generate": generate}[sys.argv[1]](model)
    run()
    parameters = sum(p.numel() for p in model.parameters())
    print(json.dumps({"version": torch.__version__, "parameters": parameters}), flush=True)
    for line in sys.stdin:
        print(json.dumps(sample(run, float(line))), flush=True)


main()
