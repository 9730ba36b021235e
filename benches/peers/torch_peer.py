"""The documented model in PyTorch, measured as benches/peers.py and benches/gpu_peers.py ask; benches/peers/protocol/lib.rs says how the two
talk.

    torch_peer.py step|generate [batch=32] [film=true] [width=1] [mode=eager|compile|graphs] [device=cpu|cuda] [tf32=false]
    torch_peer.py product [rows=32] [inputs=32] [outputs=32] [...]
    torch_peer.py dispatch [...]
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
MODE = ARGUMENTS.get("mode", "eager")
COMPILE = MODE == "compile"
DEVICE = ARGUMENTS.get("device", "cpu")
# of runs in a row that are waited for once, as in protocol.rs
BLOCK_MS = 0 if DEVICE == "cpu" else 20
# in a graph, to see what one costs
LAUNCHES = 100


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
    adam = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True, capturable=MODE == "graphs")
    signal, condition = torch.randn(BATCH, 200), torch.randn(BATCH, 7)
    loss = torch.compile(model.loss, dynamic=False) if COMPILE else model.loss

    def run() -> None:
        adam.zero_grad(set_to_none=True)
        loss(signal, condition).backward()
        adam.step()

    return captured(run) if MODE == "graphs" else run


def captured(run: Callable[[], object]) -> Callable[[], object]:
    """The same as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def generate(model: Cvae) -> Callable[[], object]:
    model.eval()
    z, condition = torch.randn(BATCH, 64), torch.randn(BATCH, 7)
    decode = model.decode
    if COMPILE:
        from torch._inductor import config

        # weights become constants, which may then be packed for the products
        config.freezing = True
        decode = torch.compile(decode, dynamic=False)

    found: list[Tensor] = []

    def run() -> None:
        with torch.inference_mode():
            found[:] = decode(z, condition)

    work = captured(run) if MODE == "graphs" else run

    def traces() -> None:
        work()
        if DEVICE != "cpu":
            found[0].cpu()

    return traces


def product() -> Callable[[], object]:
    rows, inputs, outputs = (int(ARGUMENTS.get(name, "32")) for name in ("rows", "inputs", "outputs"))
    x, w, b = torch.randn(rows, inputs), torch.randn(outputs, inputs), torch.randn(outputs)
    return lambda: F.linear(x, w, b)


def dispatch() -> Callable[[], object]:
    a, b, c = torch.randn(64), torch.randn(64), torch.empty(64)
    return lambda: torch.add(a, b, out=c)


def timed(run: Callable[[], object], times: int) -> float:
    """ms of one run."""
    start = time.perf_counter()
    for _ in range(times):
        run()
    if DEVICE != "cpu":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3 / times


def sample(run: Callable[[], object], seconds: float, launches: int) -> dict[str, float]:
    once = timed(run, 1)  # as in protocol.rs: with cold caches
    block = min(max(int(BLOCK_MS / once), 1), 10_000)
    begin, times = time.perf_counter(), []
    while not times or time.perf_counter() - begin < seconds:
        times.append(timed(run, block))
    return {"ms": statistics.median(times) / launches, "runs": len(times) * block * launches}


def main() -> None:
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    torch.set_default_device(DEVICE)
    torch.set_float32_matmul_precision("high" if ARGUMENTS.get("tf32", "false") == "true" else "highest")
    parameters, launches = 0, 1
    if sys.argv[1] in ("step", "generate"):
        model = Cvae()
        parameters = sum(p.numel() for p in model.parameters())
        run = {"step": step, "generate": generate}[sys.argv[1]](model)
    else:
        run = {"product": product, "dispatch": dispatch}[sys.argv[1]]()
        if MODE == "graphs":
            launches, once = LAUNCHES, run
            run = captured(lambda: [once() for _ in range(LAUNCHES)])
    timed(run, 1)
    print(json.dumps({"version": torch.__version__, "parameters": parameters}), flush=True)
    for line in sys.stdin:
        print(json.dumps(sample(run, float(line), launches)), flush=True)


main()
