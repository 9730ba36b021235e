#!/usr/bin/env python3
"""Record what PyTorch computes for small FiLM-CVAEs, one .safetensors file a case. README.md says what the files hold.

    pip install torch==2.15.0 numpy safetensors
    python record.py [OUT_DIR]

Inputs and initial parameters are float32; everything expected is computed from those very values in float64, so that
in a comparison only the engine's own rounding counts. A line a file says how far PyTorch's own float32 is from it.
"""

import json
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

import philox
import record_ops

Tensors = dict[str, Tensor]

# A value this near a kink, or a gradient this small, could differ between float32 and float64 in more than rounding:
# the slope of a ReLU or the sign of an error flips, or Adam's g / sqrt(g^2) amplifies noise. The first seed without
# such values is taken.
KINK_MARGIN = 1e-4
SMALLEST_GRADIENT = 1e-6


@dataclass
class Case:
    name: str
    seed: int
    # sizes
    batch: int = 11
    signal_length: int = 13
    static_dim: int = 3
    latent_dim: int = 5
    encoder_dims: list[int] = field(default_factory=lambda: [12, 10, 8])
    decoder_dims: list[int] = field(default_factory=lambda: [6, 8, 10, 12])
    signal_head: int = 14
    static_head: list[int] = field(default_factory=lambda: [9, 7])
    peak_head: int = 8
    film_hidden: int = 5
    num_peaks: int = 6
    # the model
    use_film: bool = True
    joint_generation: bool = True
    conditioning: str | None = None  # "concat" or "cross_attention"; None: as the two flags say
    attention_dim: int = 6
    attention_heads: int = 2
    film_gate: bool = False
    film_mixing: bool = False
    film_encoder: bool = False
    film_rank: int | None = None
    film_levels: list[tuple[list[int], int]] = field(default_factory=list)  # inputs and hidden width of each level
    predict_peaks: bool = False
    strength: float = 1.0
    condition_dropout: float = 0.0
    encoder_dropout: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    decoder_dropout: float = 0.0
    concat_dropout: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    head_dropout: float = 0.0
    noise_seed: int = 0  # of dropout and condition dropout
    # the loss
    likelihood: str = "mse"  # or "calibrated"
    kl_weight: float = 0.01  # of "mse" only
    kl_factor: float = 1.0  # the KL warm-up's
    static_weight: float = 1.0
    peak_weight: float = 1.0
    labels: str = "some"  # peaks: "some" with NaN among them, or "none" valid
    # the optimizer
    optimizer: str = "adam"  # or "adamw"
    learning_rate: float = 1e-3
    film_learning_rate_scale: float = 1.0
    weight_decay: float = 0.0  # adam: added to the gradient as L2; adamw: decoupled
    clip_norm: float | None = None
    # what the recording adds
    saturate: bool = False  # scale the encoder's outputs until both clamps act on both sides
    decode: bool = False  # also decode a given z, with the static and without


SMALL = dict(encoder_dims=[9, 7], decoder_dims=[6, 8], encoder_dropout=[0.0, 0.0], concat_dropout=[0.0, 0.0])
CONCAT = dict(joint_generation=False, use_film=False)

OPTIONS = dict(film_gate=True, film_mixing=True, film_encoder=True, film_rank=3)

CASES = [
    Case("film", 100, batch=12, signal_length=20, encoder_dims=[24, 16, 12], decoder_dims=[8, 12, 16, 24], signal_head=32,
         static_head=[16, 12], film_hidden=8),
    Case("film_peaks", 200, predict_peaks=True, peak_weight=0.7, static_weight=1.3, decode=True),
    Case("film_unlabelled", 300, **SMALL, predict_peaks=True, labels="none"),
    Case("plain", 400, use_film=False),
    Case("concat", 500, **CONCAT, **SMALL),
    Case("concat_peaks", 600, **CONCAT, predict_peaks=True, peak_weight=0.7),
    # without BatchNorm: before it, units that keep their sign over the batch, as such a z makes them, have a bias
    # gradient of 0 +- noise
    Case("clamps", 700, **CONCAT, saturate=True, kl_weight=0.02),
    Case("dropout", 800, predict_peaks=True, encoder_dropout=[0.2, 0.2, 0.1], decoder_dropout=0.15, head_dropout=0.1,
         noise_seed=0x0123_4567_89AB_CDEF),
    Case("concat_dropout", 900, **CONCAT, predict_peaks=True, encoder_dropout=[0.2, 0.2, 0.1],
         concat_dropout=[0.1, 0.2, 0.2, 0.2], noise_seed=42),
    Case("strength_half", 1000, strength=0.5, decode=True),
    Case("condition_dropout", 1100, strength=1.5, condition_dropout=0.5, noise_seed=7),
    Case("calibrated", 1200, **SMALL, predict_peaks=True, likelihood="calibrated", static_weight=0.5, peak_weight=0.7),
    Case("calibrated_warmup", 1300, **SMALL, likelihood="calibrated", kl_factor=0.3),
    Case("adamw", 1400, **SMALL, optimizer="adamw", weight_decay=0.1),
    Case("adam_l2", 1500, **SMALL, weight_decay=0.05),
    Case("clip", 1600, **SMALL, clip_norm=0.25),
    Case("film_learning_rate", 1700, **SMALL, film_learning_rate_scale=0.1),
    Case("joint_concat", 1800, **SMALL, conditioning="concat", use_film=False, strength=0.75, condition_dropout=0.4,
         noise_seed=11, decode=True),
    Case("cross_attention", 1900, **SMALL, conditioning="cross_attention", use_film=False, strength=0.75,
         condition_dropout=0.4, noise_seed=12, decode=True),
    Case("film_gate", 2000, **SMALL, film_gate=True, decode=True),
    Case("film_mixing", 2100, **SMALL, film_mixing=True, decode=True),
    Case("film_encoder", 2200, **SMALL, film_encoder=True),
    Case("film_rank", 2300, **SMALL, film_rank=2),
    Case("film_levels", 2400, **SMALL, film_levels=[([0, 2], 5), ([1], 3)], decode=True),
    Case("film_options", 2500, **SMALL, **OPTIONS, film_levels=[([1], 4), ([2, 0], 3)], strength=0.75, condition_dropout=0.4,
         noise_seed=13, film_learning_rate_scale=0.5),
]


def initial(c: Case, random: torch.Generator) -> Tensors:
    """Parameters and running statistics under their state_dict names, FiLM away from the identity so that every gradient lives."""
    tensors: Tensors = {}

    def uniform(shape: tuple[int, ...], bound: float) -> Tensor:
        return (2 * torch.rand(shape, generator=random) - 1) * bound

    def linear(name: str, inputs: int, outputs: int) -> None:
        tensors[f"{name}.weight"] = uniform((outputs, inputs), (3 / inputs) ** 0.5)  # variance 1: no layer fades
        tensors[f"{name}.bias"] = uniform((outputs,), inputs**-0.5)

    def dense(block: str, at: int, inputs: int, outputs: int) -> None:
        linear(f"{block}.{at}", inputs, outputs)
        norm = f"{block}.{at + 2}"
        tensors[f"{norm}.weight"] = 1 + uniform((outputs,), 0.3)
        tensors[f"{norm}.bias"] = uniform((outputs,), 0.3)
        tensors[f"{norm}.running_mean"] = uniform((outputs,), 0.3)
        tensors[f"{norm}.running_var"] = 1 + uniform((outputs,), 0.5)

    def film(block: str, inputs: int, hidden: int, width: int) -> None:
        for mlp, centre in [("gamma_mlp", 1), ("beta_mlp", 0)]:
            linear(f"{block}.{mlp}.0", inputs, hidden)
            last = f"{block}.{mlp}.{2 if c.film_rank is None else 3}"
            if c.film_rank is not None:
                linear(f"{block}.{mlp}.2", hidden, c.film_rank)
            linear(last, c.film_rank or hidden, width)
            tensors[f"{last}.bias"] += centre
        if c.film_gate:
            linear(f"{block}.gate", width + c.static_dim, 1)
        if c.film_mixing:
            tensors[f"{block}.mixing"] = uniform((width,), 2.0)

    width = c.signal_length + c.static_dim
    for i, dim in enumerate(c.encoder_dims):
        linear(f"encoder.encoder_layers.{3 * i}", width, dim)
        width = dim
    if c.film_encoder:
        for i, dim in enumerate(c.encoder_dims, 1):
            film(f"encoder.film{i}", c.static_dim, c.film_hidden, dim)
    linear("encoder.mu_layer", width, c.latent_dim)
    linear("encoder.logvar_layer", width, c.latent_dim)
    if c.saturate:
        for layer, factor in [("mu_layer", 24), ("logvar_layer", 30)]:
            tensors[f"encoder.{layer}.weight"] *= factor
            tensors[f"encoder.{layer}.bias"] *= factor
        tensors["encoder.logvar_layer.bias"] -= 9

    if not c.joint_generation:
        width = c.latent_dim + c.static_dim
        for i, dim in enumerate(c.decoder_dims):
            linear(f"decoder.decoder_layers.{3 * i}", width, dim)
            width = dim
        linear("decoder.output_layer", width, c.signal_length)
        if c.predict_peaks:
            linear("decoder.peak_head", width, c.num_peaks)
        return tensors

    width = c.latent_dim + (c.static_dim if c.conditioning == "concat" else 0)
    for level, dim in enumerate(c.decoder_dims, 1):
        dense(f"decoder.layer{level}", 0, width, dim)
        if c.use_film:
            inputs, hidden = c.film_levels[level - 1] if c.film_levels else (range(c.static_dim), c.film_hidden)
            film(f"decoder.film{level}", len(inputs), hidden, dim)
        width = dim
    if c.conditioning == "cross_attention":
        d = c.attention_dim
        for part in ("weight", "name"):
            tensors[f"decoder.tokens.{part}"] = uniform((c.static_dim, d), 1.0)
        for level, dim in enumerate(c.decoder_dims, 1):
            block = f"decoder.attention{level}"
            for part, inputs, outputs in [("query", dim, d), ("key", d, d), ("value", d, d), ("output", d, dim)]:
                linear(f"{block}.{part}", inputs, outputs)
            # a buffer: it would add the same to all scores of a query, and so have no gradient
            tensors[f"{block}.key.bias"].zero_()
            tensors[f"{block}.norm.weight"] = 1 + uniform((dim,), 0.3)
            tensors[f"{block}.norm.bias"] = uniform((dim,), 0.3)
    dense("decoder.signal_head", 0, width, c.signal_head)
    linear("decoder.signal_head.4", c.signal_head, c.signal_length)
    dense("decoder.static_head", 0, width, c.static_head[0])
    dense("decoder.static_head", 4, *c.static_head)
    linear("decoder.static_head.8", c.static_head[1], c.static_dim)
    if c.predict_peaks:
        dense("decoder.peak_head", 0, width, c.peak_head)
        linear("decoder.peak_head.4", c.peak_head, c.num_peaks)
    return tensors


def inputs(c: Case, random: torch.Generator) -> Tensors:
    def normal(width: int) -> Tensor:
        return torch.randn((c.batch, width), generator=random)

    batch = {"signal": normal(c.signal_length), "static": normal(c.static_dim), "eps": normal(c.latent_dim)}
    if c.decode:
        batch["z"] = normal(c.latent_dim)
    if c.predict_peaks:
        batch["peaks"] = normal(c.num_peaks)
        batch["peak_mask"] = (torch.rand((c.batch, c.num_peaks), generator=random) > 0.4).float()
        if c.labels == "none":
            batch["peak_mask"].zero_()
            batch["peaks"][2, 3], batch["peak_mask"][2, 3] = torch.nan, 1.0
        else:
            for row, column, mask in [(0, 0, 1.0), (1, 1, 0.0)]:
                batch["peaks"][row, column], batch["peak_mask"][row, column] = torch.nan, mask
    return batch


class Pass:
    """One forward pass: the tensors it reads, its mode and step, the masks it draws, and how near it comes to a kink."""

    def __init__(self, case: Case, tensors: Tensors, training: bool, step: int = 0):
        self.case, self.tensors, self.training, self.step = case, tensors, training, step
        self.masks: Tensors = {}
        self.dropouts, self.kink = 0, float("inf")

    def near(self, *distances: Tensor) -> None:
        self.kink = min([self.kink, *(d.detach().abs().min().item() for d in distances if d.numel())])

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])

    def relu(self, x: Tensor, slope: float = 0.0) -> Tensor:
        self.near(x)
        return F.leaky_relu(x, slope)

    def clamp(self, x: Tensor, low: float, high: float) -> Tensor:
        self.near(x - low, x - high)
        return x.clamp(low, high)

    def norm(self, name: str, x: Tensor) -> Tensor:
        mean, var, weight, bias = (self.tensors[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, weight, bias, self.training, momentum=0.1, eps=1e-5)

    def dropout(self, x: Tensor, p: float) -> Tensor:
        """The mask of this layer; layers count in the order in which the forward pass meets them, whatever their p."""
        layer, self.dropouts = self.dropouts, self.dropouts + 1
        if not self.training or p == 0:
            return x
        mask = torch.from_numpy(philox.keep(p, self.case.noise_seed, philox.DROPOUT, layer, self.step, *x.shape))
        self.masks[str(layer)] = mask.to(torch.uint8)
        return x * mask / (1 - p)

    def dense(self, block: str, at: int, x: Tensor, p: float) -> Tensor:
        return self.dropout(self.norm(f"{block}.{at + 2}", self.relu(self.linear(f"{block}.{at}", x), 0.2)), p)

    def mlp(self, name: str, x: Tensor) -> Tensor:
        h = self.relu(self.linear(f"{name}.0", x))
        if self.case.film_rank is None:
            return self.linear(f"{name}.2", h)
        return self.linear(f"{name}.3", self.linear(f"{name}.2", h))

    def film(self, block: str, x: Tensor, seen: Tensor, static: Tensor, strength: Tensor) -> Tensor:
        """FiLM by the inputs `seen`, with a gate by all of them."""
        if self.case.film_gate:
            strength = strength * torch.sigmoid(self.linear(f"{block}.gate", torch.cat([x, static], 1)))
        gamma = 1 + strength * (self.mlp(f"{block}.gamma_mlp", seen) - 1)
        modulated = gamma * x + strength * self.mlp(f"{block}.beta_mlp", seen)
        if self.case.film_mixing:
            modulated = x + torch.sigmoid(self.tensors[f"{block}.mixing"]) * (modulated - x)
        return modulated

    def attend(self, block: str, x: Tensor, static: Tensor | None, strength: Tensor) -> Tensor:
        norm = lambda h: F.layer_norm(h, h.shape[1:], self.tensors[f"{block}.norm.weight"], self.tensors[f"{block}.norm.bias"])
        if static is None:
            return norm(x)
        heads, rows = self.case.attention_heads, len(x)
        tokens = static[:, :, None] * self.tensors["decoder.tokens.weight"] + self.tensors["decoder.tokens.name"]
        split = lambda name, h: self.linear(f"{block}.{name}", h).reshape(rows, -1, heads, self.case.attention_dim // heads).transpose(1, 2)
        found = F.scaled_dot_product_attention(split("query", x[:, None]), split("key", tokens), split("value", tokens))
        return norm(x + strength * self.linear(f"{block}.output", found.transpose(1, 2).reshape(rows, -1)))

    def strength(self, like: Tensor) -> Tensor:
        """The condition's strength for every row [B, 1]: zero where the row lost its condition."""
        c = self.case
        rows = torch.full((c.batch, 1), c.strength, dtype=like.dtype)
        if self.training and c.condition_dropout > 0:
            keep = torch.from_numpy(philox.keep(c.condition_dropout, c.noise_seed, philox.CONDITION, 0, self.step, c.batch, 1))
            self.masks["condition"] = keep.to(torch.uint8)
            rows = rows * keep
        return rows

    def encode(self, signal: Tensor, static: Tensor) -> tuple[Tensor, Tensor]:
        h, strength = torch.cat([signal, static], 1), self.strength(signal)
        for i, p in enumerate(self.case.encoder_dropout):
            h = self.dropout(self.relu(self.linear(f"encoder.encoder_layers.{3 * i}", h)), p)
            if self.case.film_encoder:
                h = self.film(f"encoder.film{i + 1}", h, static, static, strength)
        return self.clamp(self.linear("encoder.mu_layer", h), -10, 10), self.clamp(self.linear("encoder.logvar_layer", h), -20, 2)

    def decode(self, z: Tensor, static: Tensor | None) -> Tensors:
        return self.decode_joint(z, static) if self.case.joint_generation else self.decode_concat(z, static)

    def decode_joint(self, z: Tensor, static: Tensor | None) -> Tensors:
        c, h, strength = self.case, z, self.strength(z)
        if c.conditioning == "concat":
            h = torch.cat([z, z.new_zeros(len(z), c.static_dim) if static is None else strength * static], 1)
        for level in range(1, len(c.decoder_dims) + 1):
            h = self.dense(f"decoder.layer{level}", 0, h, c.decoder_dropout)
            if c.use_film and static is not None:
                seen = static[:, c.film_levels[level - 1][0]] if c.film_levels else static
                h = self.film(f"decoder.film{level}", h, seen, static, strength)
            if c.conditioning == "cross_attention":
                h = self.attend(f"decoder.attention{level}", h, static, strength)
        p = c.head_dropout
        out = {"signal": self.linear("decoder.signal_head.4", self.dense("decoder.signal_head", 0, h, p))}
        hidden = self.dense("decoder.static_head", 4, self.dense("decoder.static_head", 0, h, p), p)
        out["static"] = self.linear("decoder.static_head.8", hidden)
        if c.predict_peaks:
            out["peaks"] = self.linear("decoder.peak_head.4", self.dense("decoder.peak_head", 0, h, p))
        return out

    def decode_concat(self, z: Tensor, static: Tensor) -> Tensors:
        h = torch.cat([z, static], 1)
        for i, p in enumerate(self.case.concat_dropout):
            h = self.dropout(self.relu(self.linear(f"decoder.decoder_layers.{3 * i}", h)), p)
        out = {"signal": self.linear("decoder.output_layer", h)}
        if self.case.predict_peaks:
            out["peaks"] = self.linear("decoder.peak_head", h)
        return out

    def forward(self, batch: Tensors) -> Tensors:
        mu, logvar = self.encode(batch["signal"], batch["static"])
        z = mu + batch["eps"] * (0.5 * logvar).exp() if self.training else mu
        return self.decode(z, batch["static"]) | {"mu": mu, "logvar": logvar, "z": z}

    def losses(self, out: Tensors, batch: Tensors) -> Tensors:
        c, mu, logvar = self.case, out["mu"], out["logvar"]
        loss = {"signal": F.mse_loss(out["signal"], batch["signal"])}
        loss["kl"] = (-0.5 * (1 + logvar - mu.square() - logvar.exp())).sum(1).mean()
        reconstruction = loss["signal"]
        if "static" in out:
            loss["static"] = F.mse_loss(out["static"], batch["static"])
            reconstruction = reconstruction + c.static_weight * loss["static"]
        if "peaks" in out:
            valid = (batch["peak_mask"] > 0) & ~batch["peaks"].isnan()
            error = out["peaks"] - batch["peaks"].where(valid, 0)
            self.near(error[valid])
            loss["peak"] = (error.abs() * valid).sum() / valid.sum().clamp(min=1)
            reconstruction = reconstruction + c.peak_weight * loss["peak"]
        if c.likelihood == "calibrated":
            variance = loss["signal"].detach().clamp(min=1e-6)
            loss["total"] = reconstruction * c.signal_length / (2 * variance) + c.kl_factor * loss["kl"]
        else:
            loss["total"] = reconstruction + c.kl_factor * c.kl_weight * loss["kl"]
        return loss


def optimizer(c: Case, parameters: Tensors) -> torch.optim.Optimizer:
    film = {k: p for k, p in parameters.items() if k.startswith(("decoder.film", "encoder.film"))}
    groups = [{"params": [p for k, p in parameters.items() if k not in film]}]
    if film:
        groups.append({"params": list(film.values()), "lr": c.learning_rate * c.film_learning_rate_scale})
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[c.optimizer]
    return kind(groups, lr=c.learning_rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=c.weight_decay)


def is_buffer(name: str) -> bool:
    return name.endswith(("running_mean", "running_var", "key.bias"))


def record(c: Case, dtype: torch.dtype) -> tuple[Tensors, float, float]:
    """The case's tensors, the smallest distance to a kink, and the smallest gradient that is not zero."""
    random = torch.Generator().manual_seed(c.seed)
    start, raw = initial(c, random), inputs(c, random)
    batch = {k: v.to(dtype) for k, v in raw.items()}
    tensors = {k: v.to(dtype).requires_grad_(not is_buffer(k)) for k, v in start.items()}
    parameters = {k: v for k, v in tensors.items() if not is_buffer(k)}
    recorded = {f"param/{k}": v for k, v in start.items()} | {f"input/{k}": v for k, v in raw.items()}
    kinks, gradients = [], []

    def put(prefix: str, values: Tensors) -> None:
        for k, v in values.items():
            recorded[f"{prefix}{k}"] = v.detach().clone().reshape(v.shape or 1)

    with torch.no_grad():
        run = Pass(c, tensors, training=False)
        put("eval/", run.forward(batch))
        if c.decode:
            put("decode/", run.decode(batch["z"], batch["static"]))
            put("decode_no_static/", run.decode(batch["z"], None))
        kinks.append(run.kink)

    adam = optimizer(c, parameters)
    for step in range(3):
        adam.zero_grad()
        run = Pass(c, tensors, training=True, step=step)
        out = run.forward(batch)
        loss = run.losses(out, batch)
        loss["total"].backward()
        kinks.append(run.kink)
        gradients += [p.grad + (c.weight_decay * p if c.optimizer == "adam" else 0) for p in parameters.values()]
        if step == 0:
            put("mask/", run.masks)
            put("train/", out | {f"loss_{k}": v for k, v in loss.items()})
            put("grad/", {k: p.grad for k, p in parameters.items()})
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), c.clip_norm or float("inf"))
        assert c.clip_norm is None or norm > 2 * c.clip_norm, f"{c.name}: the clip does not act on a norm of {norm}"
        if step == 0:
            put("train/", {"grad_norm": norm})
        adam.step()
    put("step3/", tensors)

    alive = torch.cat([g.detach().abs().flatten() for g in gradients])
    return recorded, min(kinks), alive[alive > 0].min().item()


def clamps_act(recorded: Tensors) -> bool:
    """Whether at least a tenth of mu and of logvar lies below, within and above its bounds."""

    def shares(x: Tensor, low: float, high: float) -> list[float]:
        below, above = (x == low).double().mean().item(), (x == high).double().mean().item()
        return [below, 1 - below - above, above]

    return min(shares(recorded["train/mu"], -10, 10) + shares(recorded["train/logvar"], -20, 2)) >= 0.1


def distance(recorded: Tensors, other: Tensors) -> str:
    """The largest difference under each prefix, in parts of the largest value of the tensor."""
    worst: dict[str, float] = {}
    for name, value in recorded.items():
        if value.dtype == torch.float64:
            prefix = name.split("/")[0]
            error = (value - other[name]).abs().max() / value.abs().max().clamp(min=1e-30)
            worst[prefix] = max(worst.get(prefix, 0.0), error.item())
    return ", ".join(f"{k} {v:.0e}" for k, v in worst.items())


def write(c: Case, out_dir: Path) -> None:
    for seed in range(c.seed, c.seed + 1000):
        c = replace(c, seed=seed)
        recorded, kink, gradient = record(c, torch.float64)
        if kink > KINK_MARGIN and gradient > SMALLEST_GRADIENT and (not c.saturate or clamps_act(recorded)):
            break
    else:
        sys.exit(f"{c.name}: no seed will do")
    path = out_dir / f"{c.name}.safetensors"
    # One key: the library writes several in no fixed order
    about = asdict(c) | {"expected": "float64", "torch": torch.__version__.split("+")[0]}
    save_file(recorded, path, {"case": json.dumps(about)})
    print(f"{path}: {path.stat().st_size} bytes, seed {seed}, kink {kink:.0e}, gradient {gradient:.0e}; "
          f"float32 differs by {distance(recorded, record(c, torch.float32)[0])}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    philox.check_known_answers()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    record_ops.write(folder)
    for case in CASES:
        write(case, folder)
