"""Record one op at a time: its outputs, and the gradients of its inputs under a random cotangent of its first output."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

import philox


class Recorder:
    def __init__(self, seed: int):
        self.random = torch.Generator().manual_seed(seed)
        self.tensors: dict[str, Tensor] = {}
        self.attributes: dict[str, dict] = {}

    def normal(self, rows: int, columns: int) -> Tensor:
        return torch.randn((rows, columns), generator=self.random)

    def uniform(self, rows: int, columns: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((rows, columns), generator=self.random)

    def add(self, name: str, op: Callable[..., Tensor | list[Tensor]], inputs: list[Tensor], fixed: tuple[int, ...] = (), **attributes) -> None:
        """`name`: OP/CASE or OP/CASE@VARIANT, for the case of that name in the op's Rust file, whose attributes `op` must have.
        `op` maps float64 inputs to its outputs; `fixed`: the inputs that it does not differentiate."""
        wide = [x.double().requires_grad_(i not in fixed) for i, x in enumerate(inputs)]
        outputs = op(*wide)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        for tensor in [*inputs, *outputs]:
            if tensor.dim() != 2:
                raise ValueError(f"{name}: a tensor has the shape {list(tensor.shape)}; every one is a matrix: reshape(1, 1)")
        cotangent = self.normal(*outputs[0].shape)
        outputs[0].backward(cotangent.double())
        self.attributes[name] = attributes
        for i, x in enumerate(inputs):
            self.tensors[f"{name}/input/{i}"] = x.clone()
            if i not in fixed:
                self.tensors[f"{name}/grad/{i}"] = wide[i].grad
        for i, y in enumerate(outputs):
            self.tensors[f"{name}/output/{i}"] = y.detach().clone()
        self.tensors[f"{name}/cotangent"] = cotangent
        # a new case changes the inputs of the one after it, and of no other
        self.random.manual_seed(zlib.crc32(name.encode()))


def batch_norm(training: bool, eps: float, momentum: float) -> Callable[..., list[Tensor]]:
    def op(x: Tensor, weight: Tensor, bias: Tensor, running_mean: Tensor, running_var: Tensor) -> list[Tensor]:
        new_mean, new_var = running_mean[0].clone(), running_var[0].clone()
        y = F.batch_norm(x, new_mean, new_var, weight[0], bias[0], training, momentum, eps)
        mean, var = (x.mean(0), x.var(0, correction=0)) if training else (running_mean[0], running_var[0])
        return [y, mean[None], (var + eps).rsqrt()[None], new_mean[None], new_var[None]]

    return op


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> list[Tensor]:
    y = F.layer_norm(x, x.shape[1:], weight[0], bias[0], eps=1e-5)
    return [y, x.mean(1, keepdim=True), (x.var(1, correction=0, keepdim=True) + 1e-5).rsqrt()]


def film(x: Tensor, gamma: Tensor, beta: Tensor, strength: Tensor) -> Tensor:
    return (1 - strength + strength * gamma) * x + strength * beta


def norm_dropout_film(slope: float, training: bool, film_at: int | None, scale: Tensor | None) -> Callable[..., list[Tensor]]:
    """The unfused ops one after the other; `scale` is the mask of the dropout."""

    def op(x: Tensor, weight: Tensor, bias: Tensor, running_mean: Tensor, running_var: Tensor, *film_inputs: Tensor) -> list[Tensor]:
        a = F.leaky_relu(x, slope)
        y, *statistics = batch_norm(training, 1e-5, 0.1)(a, weight, bias, running_mean, running_var)
        y = y if scale is None else y * scale
        if film_at is not None:
            modulation, strength = film_inputs
            gamma, beta = modulation[:, film_at:].split([x.shape[1], x.shape[1], modulation.shape[1] - film_at - 2 * x.shape[1]], 1)[:2]
            y = film(y, gamma, beta, strength)
        return [y, *statistics] + ([] if scale is None else [scale])

    return op


def grouped_linear(widths: list[int]) -> Callable[..., Tensor]:
    def op(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        groups = zip(x.split(weight.shape[1], 1), weight.split(widths), bias[0].split(widths))
        return torch.cat([F.linear(x, w, b) for x, w, b in groups], 1)

    return op


def token_embedding(x: Tensor, weight: Tensor, name: Tensor) -> Tensor:
    return (x[:, :, None] * weight + name).reshape(-1, weight.shape[1])


def cross_attention(heads: int) -> Callable[..., list[Tensor]]:
    def op(query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        rows, width = query.shape
        # [B, H, 1 or T, D / H]
        q, k, v = (x.reshape(rows, -1, heads, width // heads).transpose(1, 2) for x in (query, key, value))
        y = F.scaled_dot_product_attention(q, k, v).reshape(rows, width)
        weights = (q @ k.transpose(2, 3) / (width // heads) ** 0.5).softmax(3).reshape(rows, -1)
        return [y, weights]

    return op


def posterior(mu: tuple[float, float], logvar: tuple[float, float]) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.cat([half.clamp(*bounds) for half, bounds in zip(x.chunk(2, 1), (mu, logvar))], 1)


def reparameterize(posterior: Tensor, eps: Tensor) -> Tensor:
    mu, logvar = posterior.chunk(2, 1)
    return mu + eps * (0.5 * logvar).exp()


def kl(posterior: Tensor) -> Tensor:
    mu, logvar = posterior.chunk(2, 1)
    return (-0.5 * (1 + logvar - mu.square() - logvar.exp())).sum(1).mean().reshape(1, 1)


def masked_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    return (((prediction - target).abs() * mask).sum() / mask.sum().clamp(min=1)).reshape(1, 1)


# Dropout as the cases of `dropout` (src/engine/ops/dropout.rs) and of the ops that fuse it have it.
THIRD = dict(p=0.3, seed=0xB_0000_000B, step=5, layer=2)
LATE = dict(p=0.5, seed=0xFEDC_BA98_7654_3210, step=1000, layer=10)


def multipliers(rows: int, columns: int, p: float, seed: int, step: int, layer: int) -> Tensor:
    return torch.from_numpy(philox.keep(p, seed, philox.DROPOUT, layer, step, rows, columns)).double() / (1 - p)


def elementwise(r: Recorder) -> None:
    """One line each, as in src/engine/ops/elementwise/mod.rs. `Fill::Around` keeps those inputs away from kinks; some here are on them."""
    normal, uniform = r.normal, r.uniform
    r.add("add/first", torch.add, [normal(5, 7), normal(5, 7)])
    r.add("sub/first", torch.sub, [normal(5, 7), normal(5, 7)])
    r.add("mul/first", torch.mul, [normal(5, 7), normal(5, 7)])
    r.add("div/first", torch.div, [normal(5, 7), uniform(5, 7, -3.0, -0.3)])
    r.add("exp/first", torch.exp, [normal(5, 7)])
    r.add("log/first", torch.log, [uniform(5, 7, 0.2, 3.0)])
    r.add("sigmoid/first", torch.sigmoid, [5 * normal(5, 7)])
    r.add("tanh/first", torch.tanh, [3 * normal(5, 7)])

    for name, slope in [("first", 0.2), ("second", 0.0)]:
        x = normal(5, 7)
        x[0, 0] = x[3, 5] = 0.0  # the kink: the derivative there is the slope
        x[2, 2] = -0.0
        r.add(f"leaky_relu/{name}", lambda x: F.leaky_relu(x, slope), [x])

    r.add("clamp/first", lambda x: x.clamp(-1.0, 2.0), [2 * normal(5, 7)])
    # the kink: on a bound the derivative is 0 in PyTorch 2.15; older versions had 1
    r.add("clamp/first@bounds", lambda x: x.clamp(-1.0, 2.0), [torch.tensor([[-1.0, 0.0, 2.0]])])


def record() -> Recorder:
    r = Recorder(1)
    normal, uniform = r.normal, r.uniform
    elementwise(r)

    r.add("concat/rows@wide", lambda a, b: torch.cat([a, b], 1), [normal(5, 7), normal(5, 3)])
    r.add("concat/rows@one", lambda a, b: torch.cat([a, b], 1), [normal(1, 1), normal(1, 4)])

    r.add("linear/weight_and_bias@odd", lambda x, w, b: F.linear(x, w, b[0]), [normal(5, 7), normal(9, 7), normal(1, 9)])
    r.add("linear/weight_and_bias@one", lambda x, w, b: F.linear(x, w, b[0]), [normal(1, 1), normal(3, 1), normal(1, 3)])

    for name, rows, training in [("training", 6, True), ("training@two_rows", 2, True), ("evaluation", 6, False), ("evaluation@one_row", 1, False)]:
        inputs = [2 * normal(rows, 5) + 1, uniform(1, 5, 0.5, 1.5), normal(1, 5), normal(1, 5), uniform(1, 5, 0.5, 1.5)]
        r.add(f"batch_norm/{name}", batch_norm(training, eps=1e-5, momentum=0.1), inputs, fixed=(3, 4))

    for name, rows, columns, dropout in [("third", 6, 9, THIRD), ("late", 3, 5, LATE)]:
        scale = multipliers(rows, columns, **dropout)
        r.add(f"dropout/{name}", lambda x: [x * scale, scale], [normal(rows, columns)])

    ones, mixed = torch.ones(4, 1), torch.tensor([[0.0], [0.5], [1.0], [1.5]])
    r.add("film/full", film, [normal(4, 7), 1 + normal(4, 7), normal(4, 7), ones])
    r.add("film/strengths", film, [normal(4, 7), 1 + normal(4, 7), normal(4, 7), mixed])

    r.add("scale/rows", torch.mul, [normal(5, 7), normal(5, 1)])
    r.add("scale/columns", torch.mul, [normal(5, 7), normal(1, 7)])
    # the op depends on its number of columns
    r.add("select_columns/every_other", lambda x: x[:, [6, 4, 2, 0]], [normal(5, 7)], sizes=[5, 1, 7])
    r.add("token_embedding/values", token_embedding, [normal(4, 3), normal(3, 5), normal(3, 5)])
    r.add("cross_attention/one_head", cross_attention(1), [normal(4, 5), normal(12, 5), normal(12, 5)])
    r.add("cross_attention/heads", cross_attention(3), [normal(4, 6), normal(12, 6), normal(12, 6)])

    r.add("reparameterize/draw@odd", reparameterize, [normal(5, 14), normal(5, 7)], fixed=(1,))
    logvar = torch.tensor([[-20.0, 2.0, 0.0]])
    r.add("reparameterize/draw@bounds", reparameterize, [torch.cat([normal(1, 3), logvar], 1), normal(1, 3)], fixed=(1,))

    r.add("mse/mean@odd", lambda x, t: F.mse_loss(x, t).reshape(1, 1), [normal(5, 7), normal(5, 7)], fixed=(1,))
    r.add("mse/mean@one", lambda x, t: F.mse_loss(x, t).reshape(1, 1), [normal(1, 1), normal(1, 1)], fixed=(1,))

    r.add("kl/normal@odd", kl, [normal(5, 14)])
    r.add("kl/normal@bounds", kl, [torch.cat([torch.tensor([[10.0, -10.0, 0.0]]), logvar], 1)])

    target = normal(5, 6)
    prediction = normal(5, 6)
    mask = (uniform(5, 6, 0, 1) > 0.4).float()
    prediction[1, 1], mask[1, 1] = target[1, 1], 1.0  # no error: the derivative there is 0
    r.add("masked_l1/some_valid", masked_l1, [prediction, target, mask], fixed=(1, 2))
    r.add("masked_l1/none_valid", masked_l1, [normal(5, 6), target, torch.zeros(5, 6)], fixed=(1, 2))

    weights = [1.0, 0.01, -2.0]
    r.add("weighted_sum/three_terms", lambda *terms: sum(w * x for w, x in zip(weights, terms)), [normal(1, 1) for _ in weights])

    for name, mse in [("variance", 0.3), ("floor", 1e-7)]:
        scaled = lambda loss, mse: loss * 200 / (2 * mse.clamp(min=1e-6))
        r.add(f"sigma_vae_nll/{name}", scaled, [uniform(1, 1, 0.5, 1.5), torch.tensor([[mse]])], fixed=(1,))

    r.add("clamp_posterior/both_halves", posterior((-1.0, 1.0), (-1.0, 2.0)), [2 * normal(5, 8)])

    for name, factor in [("third", multipliers(6, 69, **THIRD)), ("relu", 1.0)]:
        op = lambda x, w, b: F.relu(F.linear(x, w, b[0])) * factor
        r.add(f"linear_relu/{name}", op, [normal(6, 7), normal(69, 7), normal(1, 69)])

    # the op depends on its number of columns
    r.add("grouped_linear/widths", grouped_linear([3, 7, 1]), [normal(4, 21), normal(11, 7), normal(1, 11)], sizes=[4, 7, 3])

    scale = multipliers(6, 5, **THIRD)
    for name, training, with_film, dropout in [("film", True, True, scale), ("no_film", True, False, scale), ("no_dropout", True, True, None), ("evaluation", False, True, None)]:
        inputs = [2 * normal(6, 5), uniform(1, 5, 0.5, 1.5), normal(1, 5), normal(1, 5), uniform(1, 5, 0.5, 1.5)]
        if with_film:
            inputs += [normal(6, 15), uniform(6, 1, 0.0, 2.0)]
        op = norm_dropout_film(0.2, training, 3 if with_film else None, dropout)
        r.add(f"norm_dropout_film/{name}", op, inputs, fixed=(3, 4, 6))

    for name, axis in [("over_rows", 0), ("over_columns", 1), ("over_all", (0, 1))]:
        r.add(f"sum/{name}", lambda x: x.sum(axis, keepdim=True), [normal(5, 19)])
        r.add(f"mean/{name}", lambda x: x.mean(axis, keepdim=True), [normal(5, 19)])

    r.add("matmul/product@odd", torch.matmul, [normal(5, 19), normal(19, 7)])
    r.add("matmul/product@one", torch.matmul, [normal(1, 1), normal(1, 3)])

    cross_entropy = lambda x, t: [F.cross_entropy(x, t).reshape(1, 1), x.log_softmax(1)]
    r.add("cross_entropy/probabilities", cross_entropy, [3 * normal(5, 7), normal(5, 7).softmax(1)], fixed=(1,))
    r.add("cross_entropy/probabilities@any_sum", cross_entropy, [normal(5, 19), uniform(5, 19, 0, 1)], fixed=(1,))
    classes = F.one_hot(torch.tensor([0, 6, 2, 2, 5])).float()
    r.add("cross_entropy/classes", cross_entropy, [normal(5, 7), classes], fixed=(1,))
    # without the row's maximum, these would overflow
    r.add("cross_entropy/classes@large", cross_entropy, [torch.tensor([[1000.0, 1001.0], [-1000.0, -1003.0]]), torch.eye(2)], fixed=(1,))
    r.add("cross_entropy/classes@one_class", cross_entropy, [normal(3, 1), torch.ones(3, 1)], fixed=(1,))

    for name, rows, columns in [("rows", 5, 19), ("rows@three", 4, 3)]:
        inputs = [2 * normal(rows, columns) + 1, uniform(1, columns, 0.5, 1.5), normal(1, columns)]
        r.add(f"layer_norm/{name}", layer_norm, inputs)
    return r


def check_kinks(r: Recorder) -> None:
    """What the comments in `record` say of PyTorch at the kinks."""

    def slope(name: str, row: int, column: int) -> float:
        return (r.tensors[f"{name}/grad/0"] / r.tensors[f"{name}/cotangent"].double())[row, column].item()

    for row, column in [(0, 0), (3, 5), (2, 2)]:
        assert slope("leaky_relu/first", row, column) == 0.2
        assert slope("leaky_relu/second", row, column) == 0.0
    assert [slope("clamp/first@bounds", 0, column) for column in range(3)] == [0.0, 1.0, 0.0]
    assert r.tensors["masked_l1/some_valid/grad/0"][1, 1] == 0.0
    assert r.tensors["masked_l1/none_valid/output/0"] == 0.0 and not r.tensors["masked_l1/none_valid/grad/0"].any()


def write(out_dir: Path) -> None:
    r = record()
    check_kinks(r)
    path = out_dir / "ops.safetensors"
    save_file(r.tensors, path, {"ops": json.dumps(r.attributes)})
    print(f"{path}: {path.stat().st_size} bytes, {len(r.attributes)} cases")
