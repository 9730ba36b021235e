"""Records results of NumPy and SciPy for the measures of src/eval/measures, for tests/measures/main.rs: recorded.json.

    python -m venv venv && venv/bin/pip install numpy==2.4.6 scipy==1.17.1
    venv/bin/python tests/measures/record.py

Each case has its value and, by name, the results of common mistakes, which the Rust test must distinguish from it.
"""

import json
import sys
from pathlib import Path

import numpy as np
import scipy
from scipy import linalg, optimize, signal, special, stats
from scipy.spatial.distance import cdist, pdist

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "reference"))
import philox  # noqa: E402  the engine's random bits

EVALUATE = 10  # rng::Purpose
INPUTS, CASES = {}, {}


def given(name, values, decimals=4):
    INPUTS[name] = np.round(np.asarray(values, float), decimals).tolist()
    return np.array(INPUTS[name])


def case(name, value, **perturbed):
    numbers = lambda v: [float(x) for x in np.ravel(v)]
    CASES[name] = {"value": numbers(value), "perturbed": {k: numbers(v) for k, v in perturbed.items()}}


rng = np.random.default_rng(20)
A = given("a", rng.normal(size=(24, 3)) @ [[1.0, 0.4, 0.0], [0.0, 0.8, 0.3], [0.0, 0.0, 1.5]])
B = given("b", 0.6 * rng.normal(size=(20, 3)) + [0.5, 0.0, -0.3])
TEST = given("test", rng.normal(size=(15, 3)))
WEIGHTS_A = given("weights_a", rng.integers(0, 4, 24))
WEIGHTS_B = given("weights_b", rng.integers(0, 4, 20))
SHARES = given("shares", [0.0, 0.025, 0.31, 0.5, 0.975, 1.0])


def quantiles():
    x = np.sort(A[:, 0])
    weibull, lower = (np.quantile(x, SHARES, method=m) for m in ("weibull", "lower"))
    case("quantile", np.quantile(x, SHARES), weibull=weibull, lower=lower)
    case("median", [np.median(x), np.median(x[:23])], upper_of_two=[x[12], x[11]])


def moments():
    w = WEIGHTS_A.astype(int)
    mean = np.average(A, axis=0, weights=w)
    case("mean", mean, unweighted=A.mean(0))
    cov = lambda ddof, fweights=w: np.cov(A.T, fweights=fweights, ddof=ddof)
    case("covariance", cov(1), divisor=cov(0), unweighted=cov(1, None), spread_only=np.diag(np.diag(cov(1))))
    copies = np.repeat(A, w, 0)
    case("standard", (TEST - mean) / copies.std(0), divisor=(TEST - mean) / copies.std(0, ddof=1))


def frechet():
    a, b = np.repeat(A, WEIGHTS_A.astype(int), 0), B
    apart = np.sum((a.mean(0) - b.mean(0)) ** 2)

    def of(ddof=1, roots=2.0, apart=apart):
        ca, cb = np.cov(a.T, ddof=ddof), np.cov(b.T, ddof=ddof)
        return apart + np.trace(ca + cb - roots * linalg.sqrtm(ca @ cb).real)

    ca, cb = np.cov(a.T), np.cov(b.T)
    apart_roots = apart + np.trace(ca + cb - 2 * linalg.sqrtm(ca) @ linalg.sqrtm(cb)).real
    perturbed = dict(divisor=of(ddof=0), one_root=of(roots=1), not_squared=of(apart=np.sqrt(apart)), root=np.sqrt(of()))
    case("frechet", of(), roots_apart=apart_roots, **perturbed)


def mmd():
    w, v = WEIGHTS_A, WEIGHTS_B
    middle = np.median(pdist(np.vstack([A, B])))

    def of(w=np.ones(24), v=np.ones(20), middle=middle, bandwidths=(0.5, 1, 2), half=0.5, own=lambda w: w**2, cross=2):
        k = lambda x, y: np.mean([np.exp(-half * (cdist(x, y) / (h * middle)) ** 2) for h in bandwidths], 0)
        pairs = lambda w: np.outer(w, w) - np.diag(own(w))
        mean = lambda x, w: np.sum(pairs(w) * k(x, x)) / np.sum(pairs(w))
        return mean(A, w) + mean(B, v) - cross * (w @ k(A, B) @ v) / (w.sum() * v.sum())

    perturbed = lambda **o: dict(
        biased=of(own=lambda w: 0 * w, **o),
        no_half=of(half=1, **o),
        cross_once=of(cross=1, **o),
        one_kernel=of(bandwidths=[1], **o),
        mean_distance=of(middle=pdist(np.vstack([A, B])).mean(), **o),
        with_itself=of(middle=np.median(cdist(np.vstack([A, B]), np.vstack([A, B]))), **o),
        root=np.sqrt(abs(of(**o))),
    )
    case("mmd", of(), **perturbed())
    # plain repetition counts the pairs of copies of a row
    repeated = of(w, v, own=lambda w: w)
    case("mmd_weighted", of(w, v), unweighted=of(), copies_in_pairs=repeated, **perturbed(w=w, v=v))


def scores():
    draws = given("draws", rng.normal(size=(39, 10)).cumsum(1))
    y = given("y", 1.3 * rng.normal(size=10).cumsum())
    m = len(draws)

    def energy(divisor=2 * m * (m - 1), power=1):
        return np.mean(cdist([y], draws) ** power) - np.sum(cdist(draws, draws) ** power) / divisor

    perturbed = dict(unfair=energy(2 * m * m), no_half=energy(m * (m - 1)), squared=energy(power=2))
    case("energy", energy(), pairs_once=energy(4 * m * (m - 1)), absolute=np.mean(cdist([y], draws)), **perturbed)

    i, j = np.triu_indices(10, 1)

    def variogram(p=0.5, w=1 / (j - i), total=None):
        expected = np.mean(np.abs(draws[:, i] - draws[:, j]) ** p, 0)
        return np.sum(w * (np.abs(y[i] - y[j]) ** p - expected) ** 2) / (np.sum(w) if total is None else total)

    of_mean = np.sum((np.abs(y[i] - y[j]) ** 0.5 - np.abs(draws.mean(0)[i] - draws.mean(0)[j]) ** 0.5) ** 2 / (j - i))
    perturbed = dict(order_1=variogram(1), order_2=variogram(2), even=variogram(w=np.ones(len(i))))
    case("variogram", variogram(), of_mean=of_mean / np.sum(1 / (j - i)), summed=variogram(total=1), **perturbed)

    shares = given("inside", [0.2, 0.37, 0.5, 0.8, 0.95])
    ends = lambda s, method: np.quantile(draws, [(1 - s) / 2, (1 + s) / 2], axis=0, method=method)
    bounds = lambda method: [ends(s, method).T for s in shares]
    case("bounds", bounds("weibull"), type_7=bounds("linear"), type_8=bounds("median_unbiased"))
    inside = lambda method: [np.mean((ends(s, method)[0] <= y) & (y <= ends(s, method)[1])) for s in shares]
    below = [np.mean(y <= np.quantile(draws, s, axis=0)) for s in shares]
    case("inside", inside("weibull"), one_sided=below, outside=1 - np.array(inside("weibull")))


def neighbours():
    k = 4

    def of(k=k, of_k=k, balls=None):
        radii = np.sort(cdist(A, A), 1)[:, k] if balls is None else balls
        held = cdist(A, B) < radii[:, None]
        return [held.sum() / (of_k * len(B)), held.any(1).mean()]

    own = of(balls=np.sort(cdist(A, B), 1)[:, k - 1])
    case("density_coverage", of(), counts_itself=of(k - 1), over_1=of(of_k=1), other_balls=own)
    nearest = lambda x: cdist(x, A).min(1)
    case("nearest", nearest(B), squared=nearest(B) ** 2, of_others=cdist(B, A).mean(1))
    ratio = np.median(nearest(B)) / np.median(nearest(TEST))
    means = nearest(B).mean() / nearest(TEST).mean()
    case("memorisation", ratio, means=means, inverse=1 / ratio, squared=ratio**2)


def standardise(x, w=None, ddof=0):
    copies = x if w is None else np.repeat(x, w.astype(int), 0)
    return lambda y: (y - copies.mean(0)) / copies.std(0, ddof=ddof)


def ridge():
    target = given("target", A @ [1.0, -0.5, 0.2] + rng.normal(size=24) + 3)
    lam = 0.3

    def of(w=WEIGHTS_A, penalty=None, ddof=0, intercept=0.0):
        scale = standardise(A, w, ddof)
        x = np.c_[np.ones(24), scale(A)]
        penalty = lam * w.sum() if penalty is None else penalty
        root = np.sqrt(penalty * np.diag([intercept, 1, 1, 1]))
        rows = np.r_[np.sqrt(w)[:, None] * x, root]
        beta = np.linalg.lstsq(rows, np.r_[np.sqrt(w) * target, np.zeros(4)])[0]
        return np.c_[np.ones(15), scale(TEST)] @ beta

    perturbed = dict(not_times_n=of(penalty=lam), rows=of(penalty=lam * 24), unweighted=of(np.ones(24)), sd=of(ddof=1))
    case("ridge", of(), no_penalty=of(penalty=0.0), intercept=of(intercept=1.0), **perturbed)


def logistic_fit(x, labels, lam, half=0.5, times_n=True, intercept=0.0, scaled=True):
    """The log-odds of other rows; the root of the gradient, from the least loss that BFGS finds."""
    scale = standardise(x) if scaled else (lambda y: y)
    ones = lambda y: np.c_[np.ones(len(y)), scale(y)]
    design, sign = ones(x), np.where(labels, 1.0, -1.0)
    penalty = 2 * half * lam * (len(x) if times_n else 1) * np.r_[intercept, np.ones(x.shape[1])]
    loss = lambda w: np.logaddexp(0, -sign * (design @ w)).sum() + 0.5 * np.sum(penalty * w**2)
    gradient = lambda w: design.T @ (special.expit(design @ w) - labels) + penalty * w
    rough = optimize.minimize(loss, np.zeros(design.shape[1]), jac=gradient, method="BFGS").x
    found = optimize.root(gradient, rough, tol=1e-14).x
    assert np.abs(gradient(found)).max() < 1e-10, gradient(found)
    return lambda y: ones(y) @ found


def logistic():
    labels = given("labels", A[:, 0] + rng.normal(size=24) > 0.3).astype(bool)
    of = lambda **options: logistic_fit(A, labels, 0.05, **options)(TEST)
    perturbed = dict(no_half=of(half=1.0), not_times_n=of(times_n=False), intercept=of(intercept=1.0))
    case("logistic", of(), as_they_are=of(scaled=False), **perturbed)
    apart = A[:, 0] > 0
    case("logistic_separable", logistic_fit(A, apart, 1e-3)(TEST), weaker=logistic_fit(A, apart, 1e-4)(TEST))


def mann_whitney(low, high):
    return stats.mannwhitneyu(high, low).statistic / (len(high) * len(low))


def auc():
    labels = np.array(INPUTS["labels"]).astype(bool)
    tied = given("tied", np.round(A[:, 1] * 1.5))

    def perturbed(s, y):
        above = np.subtract.outer(s[y], s[~y])
        return dict(ties_lost=np.mean(above > 0), ties_won=np.mean(above >= 0), other_way=np.mean(above < 0))

    case("auc", mann_whitney(tied[~labels], tied[labels]), **perturbed(tied, labels))
    copies = np.repeat(np.arange(24), WEIGHTS_A.astype(int))
    s, y = tied[copies], labels[copies]
    plain = mann_whitney(tied[~labels], tied[labels])
    case("auc_weighted", mann_whitney(s[~y], s[y]), unweighted=plain, **perturbed(s, y))


def draws(words):
    """rng::Draws::below, on a row of words."""
    words = iter(words.tolist())
    return lambda n: next(words) * n >> 32


def shuffled(items, below):
    items = list(items)
    for i in range(len(items) - 1, 0, -1):
        j = below(i + 1)
        items[i], items[j] = items[j], items[i]
    return items


def two_sample():
    seed = 5
    a, b = A, given("other", np.r_[B, A[:12] * 0.5])
    whose_a, whose_b = np.arange(24) // 4, np.arange(32) // 4 + 4  # 6 and 8 subjects, two of them on both sides
    given("whose_a", whose_a), given("whose_b", whose_b)
    words = philox.words(seed, EVALUATE, 2, 0, 3, 16)
    ids_a, ids_b = set(whose_a.tolist()), set(whose_b.tolist())
    fold_of = {}
    for part, (ids, first) in enumerate([(ids_a & ids_b, 0), (ids_a - ids_b, 2), (ids_b - ids_a, 2)]):
        for i, subject in enumerate(shuffled(sorted(ids), draws(words[part]))):
            fold_of[subject] = (first + i) % 5
    folds_a, folds_b = (np.array([fold_of[s] for s in whose.tolist()]) for whose in (whose_a, whose_b))

    def logistic(fold, train_a, train_b, squares=True):
        scale = standardise(np.r_[train_a, train_b])
        features = lambda x: np.c_[scale(x), scale(x) ** 2] if squares else scale(x)
        labels = np.r_[np.zeros(len(train_a)), np.ones(len(train_b))].astype(bool)
        fit = logistic_fit(features(np.r_[train_a, train_b]), labels, 1e-2)
        return lambda x: fit(features(x))

    def nearest(fold, train_a, train_b, k=5, thin=True, scaled=True):
        scale = standardise(np.r_[train_a, train_b]) if scaled else (lambda x: x)
        rows = min(len(train_a), len(train_b)) if thin else None
        below = draws(philox.words(seed, EVALUATE, 2, 1 + fold, 1, 64)[0])
        few = lambda x: x if rows in (None, len(x)) else x[shuffled(range(len(x)), below)[:rows]]
        known_a, known_b = few(scale(train_a)), few(scale(train_b))
        to = lambda x, known: np.log(np.sort(cdist(scale(x), known), 1)[:, k - 1])
        return lambda x: to(x, known_a) - to(x, known_b)

    def held_out(rule, **options):
        scores_a, scores_b = np.empty(len(a)), np.empty(len(b))
        for fold in range(5):
            fitted = rule(fold, a[folds_a != fold], b[folds_b != fold], **options)
            for scores, rows, folds in [(scores_a, a, folds_a), (scores_b, b, folds_b)]:
                scores[folds == fold] = fitted(rows[folds == fold])
        return scores_a, scores_b

    def folded(scores, even=False):
        scores_a, scores_b = scores
        parts = [(scores_a[folds_a == fold], scores_b[folds_b == fold]) for fold in range(5)]
        pairs = [1 if even else len(x) * len(y) for x, y in parts]
        return np.average([mann_whitney(x, y) for x, y in parts], weights=pairs)

    for name, rule, mistakes in [
        ("logistic", logistic, dict(no_squares=dict(squares=False))),
        ("neighbours", nearest, dict(fourth=dict(k=4), all_rows=dict(thin=False), as_they_are=dict(scaled=False))),
    ]:
        scores = held_out(rule)
        perturbed = {mistake: np.concatenate(held_out(rule, **options)) for mistake, options in mistakes.items()}
        case(f"held_out_{name}", np.concatenate(scores), other_way=-np.concatenate(scores), **perturbed)
        case(f"two_sample_{name}", folded(scores), pooled=mann_whitney(*scores), even_folds=folded(scores, even=True))


def spectra():
    rate = 20000.0
    for name, length in [("even", 64), ("odd", 63)]:
        x = given(f"trace_{name}", rng.normal(size=length).cumsum() + 2)

        def of(window="hann", detrend="constant", scaling="density"):
            return signal.periodogram(x, rate, window=window, detrend=detrend, scaling=scaling)[1]

        last_once = of() * np.r_[np.ones(length // 2), 2]
        perturbed = dict(symmetric=of(signal.windows.hann(length)), no_window=of("boxcar"), offset=of(detrend=False))
        case(f"power_{name}", of(), spectrum=of(scaling="spectrum"), last_twice=last_once, both_sides=of() / 2, **perturbed)
    at, p = signal.periodogram(INPUTS["trace_even"], rate, window="hann")
    q = signal.periodogram(INPUTS["trace_even"][::-1] + np.sin(np.arange(64)), rate, window="hann")[1]
    given("q", q, 17)

    def apart(low=1000, high=5000, factor=10.0, p=p, q=q):
        band = (at >= low) & (at <= high)
        return factor * np.log10(p[band] / q[band])

    rms = lambda x: np.sqrt(np.mean(x**2))
    whole, ends = rms(apart(1, 9999)), rms(apart(1001, 4999))
    perturbed = dict(mean=np.mean(np.abs(apart())), twice=rms(apart(factor=20.0)), squared=np.mean(apart() ** 2))
    case("distance_db", rms(apart()), whole_band=whole, ends_left_out=ends, **perturbed)


def bootstrap():
    values = A[:12, 2]

    def of(share=0.95, method="linear", replicates=400):
        means = []
        for replicate in range(replicates):
            below = draws(philox.words(0, EVALUATE, 1, replicate, 1, 12)[0])
            means.append(np.mean(values[[below(12) for _ in range(12)]]))
        return [values.mean(), *np.quantile(means, [(1 - share) / 2, (1 + share) / 2], method=method)]

    t = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    perturbed = dict(one_sided=of(0.9), weibull=of(method="weibull"), fewer=of(replicates=200))
    case("bootstrap", of(), students_t=[values.mean(), *t], **perturbed)


philox.check_known_answers()
quantiles(), moments(), frechet(), mmd(), scores(), neighbours(), ridge(), logistic(), auc(), two_sample()
spectra(), bootstrap()

versions = json.dumps({"numpy": np.__version__, "scipy": scipy.__version__})
lines = lambda entries: ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
text = f'{{"versions": {versions},\n"inputs": {{\n{lines(INPUTS)}\n}},\n"cases": {{\n{lines(CASES)}\n}}}}\n'
(HERE / "recorded.json").write_text(text)
