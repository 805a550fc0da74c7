"""NVP against the null predictors and the solver that costs the same.

    python benchmarks/nvp.py --quick        every domain, small, under three minutes
    python benchmarks/nvp.py                every domain at 64 squared, three seeds
    python benchmarks/nvp.py --byzantine    the attack table of the shadow ensemble
    python benchmarks/nvp.py --graph        telemetry graph: forecast and tampering
    python benchmarks/nvp.py --inference    unknown coefficients from noisy frames
    python benchmarks/nvp.py --closure      learned flux where the sensors do not resolve the shocks
    python benchmarks/nvp.py --bands        coverage of the 90 % band from noisy frames
    python benchmarks/nvp.py --harm         every domain and frame against the solver's own error
    python benchmarks/nvp.py --laws         random untrained weights: energy and entropy over 2,000 frames

Every truth is generated here by the same equations on a finer grid and a finer step, from frozen
seeds; its hash is printed. These are regenerated data: no row may be set against a published
leaderboard (the flow of Li et al. at three viscosities: benchmarks/nvp_turbulence.py). CPU is process time
on one thread, the least of the repeats.
"""

import argparse
import hashlib
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from benchmarks.nvp_harm import doubtful, harm_table
from benchmarks.nvp_problems import (
    Problem,
    make_problem,
    make_truth,
    random_waves,
    sampled,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from torch import Tensor

from industriverse.nvp.calibration import LEVEL, normal_quantile
from industriverse.nvp.ensemble import rollout_spread
from industriverse.nvp.flux_network import DissipativeFlow
from industriverse.nvp.graph_tamper import BalanceMonitor, NodePredictor, RidgeVar, SyntheticNetwork
from industriverse.nvp.grid import Grid
from industriverse.nvp.inference import infer_coefficients
from industriverse.nvp.learned_flux import Gate, LearnedFlux
from industriverse.nvp.metrics import ScoreCard, coverage, crps_of_normal, null_predictors, score, vrmse
from industriverse.nvp.predictor import Predictor
from industriverse.nvp.shadow.aggregation import (
    AGGREGATORS,
    conservation_gate,
    gated_geometric_median,
)
from industriverse.nvp.shadow.attacks import ATTACKS, corrupt, honest_members, smooth_field
from industriverse.nvp.shadow.council import Council, Decision
from industriverse.nvp.shadow.votes import cast
from industriverse.nvp.solvers import DOMAINS, solver_class
from industriverse.nvp.solvers.base import Solver
from industriverse.nvp.solvers.spectral import SpectralSolver
from industriverse.nvp.telemetry_graph import fit_stock_and_flow
from industriverse.nvp.training import held_out_ratios, train_flux

Step = Callable[[Tensor], Tensor]
# Domains of the table of bands unless others are asked for.
BANDS = ("burgers", "heat", "cahn_hilliard", "advection_diffusion")


def header() -> None:
    load = Path("/proc/loadavg").read_text().split()[0] if Path("/proc/loadavg").exists() else "?"
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    print(f"machine: {model}, {torch.get_num_threads()} thread, load {load} when started")
    print(f"python {platform.python_version()}, torch {torch.__version__}, {platform.system()}\n")


def cpu_ms(step: Step, state: Tensor, repeats: int = 3) -> float:
    """Process time of one frame of one sample, the least of the repeats."""
    single, best = state[:1], math.inf
    for _ in range(repeats):
        started = time.process_time()
        step(single)
        best = min(best, time.process_time() - started)
    return 1e3 * best


def rollout_errors(step: Step, truth: Tensor) -> Tensor:
    state, errors = truth[0], []
    for reference in truth[1:]:
        state = step(state)
        errors.append(vrmse(state, reference).mean())
    return torch.stack(errors)


def rows(problem: Problem, seed: int) -> Iterator[tuple[str, Step, Solver]]:
    """Null predictors, the solver, the solver padded or sharpened, and the predictor's own step."""
    coarse = problem.coarse
    for name, step in null_predictors(seed).items():
        yield name, step, coarse
    plain = coarse.unpadded() if isinstance(coarse, SpectralSolver) else coarse
    yield "solver, same grid", plain.advance, plain
    if isinstance(coarse, SpectralSolver):
        yield "solver, padded 3/2", coarse.advance, coarse
    else:
        sharp = coarse.sharper()
        yield "solver, half step", sharp.advance, sharp
    yield "NVP, finer of pair", lambda state: coarse.estimate(state).state, coarse


def per_sample(solver: Solver) -> bool:
    """Whether the medium differs by sample, so that a single sample cannot be timed alone."""
    return any(
        getattr(solver, name, None) is not None and getattr(solver, name).ndim == 4
        for name in solver.field_names
    )


def table(domains: tuple[str, ...], cells: int, ratio: int, count: int, frames: int, seeds: int) -> None:
    print(f"{count} trajectories x {frames} frames x {seeds} seed(s), {cells}^2 sensors,", end=" ")
    print(f"truth on {cells * ratio}^2")
    print(
        "VRMSE: error over spatial spread; the mean predictor scores 1. gm: geometric mean of the roll-out."
    )
    print("EF: energy fidelity (persistence scores 1, which is why FF and EC stand beside it).")
    print("FF: flux fidelity. EC: entropy coherence. viol: share of frames against the second law.")
    print("'-': the domain has none.\n")
    columns = "VRMSE@1   gm        last      skill/pers skill/solv EF        FF       EC       viol   CPU ms"
    for domain in domains:
        print(f"{domain:<22}{columns}")
        cards: dict[str, list[ScoreCard]] = {}
        lasts: dict[str, list[float]] = {}
        costs: dict[str, float] = {}
        digests = []
        for seed in range(seeds):
            problem = make_problem(domain, cells, ratio, count, 1000 + seed)
            truth = make_truth(problem, frames)
            digests.append(hashlib.sha256(truth.float().numpy().tobytes()).hexdigest()[:10])
            reference = None
            for name, step, _ in rows(problem, seed):
                with torch.no_grad():
                    errors = rollout_errors(step, truth)
                    if name == "solver, same grid":
                        reference = errors
                    card = score(step, truth, problem.coarse, solver_rollout=reference)
                    costs[name] = min(costs.get(name, math.inf), cpu_ms_of(step, truth[0], problem.coarse))
                cards.setdefault(name, []).append(card)
                lasts.setdefault(name, []).append(float(errors[-1]))
        for name, found in cards.items():
            print(line(name, found, lasts[name], costs[name]))
        print(f"  truth {' '.join(digests)}\n", flush=True)


def cpu_ms_of(step: Step, state: Tensor, solver: Solver) -> float:
    """CPU a frame a sample; media that differ by sample are timed as one batch and divided."""
    if not per_sample(solver):
        return cpu_ms(step, state)
    best = math.inf
    for _ in range(3):
        started = time.process_time()
        step(state)
        best = min(best, time.process_time() - started)
    return 1e3 * best / state.shape[0]


def number(values: list[float], form: str) -> str:
    kept = [value for value in values if not math.isnan(value)]
    return format(sum(kept) / len(kept), form) if kept else "-"


def line(name: str, cards: list[ScoreCard], lasts: list[float], cost: float) -> str:
    def column(pick: Callable[[ScoreCard], float], form: str, width: int) -> str:
        return number([pick(card) for card in cards], form).ljust(width)

    return (
        f"  {name:<20}"
        + column(lambda card: card.vrmse_one, ".2e", 10)
        + column(lambda card: card.vrmse_rollout, ".2e", 10)
        + number(lasts, ".2e").ljust(10)
        + column(lambda card: card.skill_persistence, ".5f", 11)
        + column(lambda card: card.skill_solver, ".4f", 11)
        + column(lambda card: card.energy_fidelity, ".7f", 10)
        + column(lambda card: card.flux_fidelity, ".4f", 9)
        + column(lambda card: card.entropy_coherence, ".4f", 9)
        + column(lambda card: card.violations, ".3f", 7)
        + f"{cost:.2f}"
    )


def byzantine(runs: int) -> None:
    """Error in % of the truth's norm and worst relative energy error, 7 members, 2 liars."""
    cells, members, faults = 64, 7, 2
    names = [*AGGREGATORS, "gate + geo-median"]
    print(f"{members} members, {faults} liars, {cells}^2, {runs} runs; error % (worst energy error)\n")
    print(f"{'attack':<32}" + "".join(f"{name:<22}" for name in names))
    for attack in ATTACKS:
        cellsout = []
        for name in names:
            generator = torch.Generator().manual_seed(1)
            truth = 2 + 0.5 * smooth_field(1, cells, generator)[0]
            amplitude = (truth - truth.mean()).abs().sum()
            errors, energy = [], 0.0
            for _ in range(runs):
                honest = honest_members(truth, members, 0.03, generator)
                attacked = corrupt(attack, honest, truth, faults, generator)
                found = (
                    gated_geometric_median(attacked, truth.sum(), amplitude)
                    if name == names[-1]
                    else AGGREGATORS[name](attacked, faults)
                )
                errors.append(float((found - truth).norm() / truth.norm()))
                energy = max(energy, float((found.sum() - truth.sum()).abs() / truth.sum()))
            cellsout.append(f"{100 * sum(errors) / runs:.2f} ({energy:.0e})")
        print(f"{attack:<32}" + "".join(f"{cell:<22}" for cell in cellsout))
    generator = torch.Generator().manual_seed(2)
    truth = 2 + 0.5 * smooth_field(1, cells, generator)[0]
    honest = honest_members(truth, members, 0.03, generator)
    started = time.process_time()
    for _ in range(20):
        conservation_gate(honest, truth.sum(), (truth - truth.mean()).abs().sum())
        gated_geometric_median(honest, truth.sum(), (truth - truth.mean()).abs().sum())
    council_rows(runs)
    print(f"\ngate + geometric median: {(time.process_time() - started) / 20 * 1e3:.2f} CPU ms")


def council_rows(runs: int) -> None:
    """Attacks on the votes themselves, through the signed council: error of its decision, and who is named."""
    cells, members, faults = 64, 7, 2
    keys = {f"member-{k}": Ed25519PrivateKey.from_private_bytes(bytes([k + 1]) * 32) for k in range(members)}
    liars = list(keys)[-faults:]
    print(
        f"\n{'attack on the votes':<32}{'decided':<10}{'error %':<10}{'energy':<10}liars named, honest named"
    )
    for attack in ("none", "equivocation", "replayed votes", "replay and equivocation"):
        generator = torch.Generator().manual_seed(1)
        truth = 2 + 0.5 * smooth_field(1, cells, generator)[0]
        decided, errors, energy, named, framed = 0, 0.0, 0.0, 0, 0
        for _ in range(runs):
            council = Council({n: k.public_key() for n, k in keys.items()}, faults=faults, tolerance=0.2)
            made = honest_members(truth, members, 0.03, generator)
            past = council.open_round("pump", 0, truth)
            old = [cast(name, past, made[k] * 0 + truth.mean(), keys[name]) for k, name in enumerate(keys)]
            about = council.open_round("pump", 1, truth)
            votes = [cast(name, about, made[k], keys[name]) for k, name in enumerate(keys)]
            if attack.startswith("replay"):
                # The liars send votes of everybody from the round before instead of their own.
                votes = old + votes[:-faults]
            if "equivocation" in attack:
                for sign in (1, -1):
                    other = truth + sign * 0.5 * smooth_field(1, cells, generator)[0]
                    votes += [cast(name, about, other, keys[name]) for name in liars]
            found = council.decide(about, votes, truth)
            named += sum(name in found.refused for name in liars)
            framed += sum(name in found.refused for name in keys if name not in liars)
            if isinstance(found, Decision):
                decided += 1
                errors += float((found.prediction - truth).norm() / truth.norm())
                energy = max(energy, float((found.prediction.sum() - truth.sum()).abs() / truth.sum()))
        mean = f"{100 * errors / decided:.2f}" if decided else "-"
        print(
            f"{attack:<32}{f'{decided}/{runs}':<10}{mean:<10}{energy:<10.0e}"
            f"{named}/{faults * runs}, {framed}/{(members - faults) * runs}"
        )


def graph(nodes: int, iterations: int) -> None:
    """Forecast and tampering on a network whose law is in none of the models."""
    network = SyntheticNetwork(nodes, 0)
    stocks, _, exchange = network.run(600, 10)
    held, _, held_exchange = network.run(300, 15)
    model, report = fit_stock_and_flow(network.graph(), stocks, exchange, seed=0, iterations=iterations)
    var = RidgeVar(stocks, exchange)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"{nodes} nodes, {len(network.graph().links)} links, {parameters} parameters, "
        f"{iterations} updates, {report.cpu_s:.1f} CPU s"
    )
    print(f"leak found {report.leak:.4f} (true 0.01), memory {report.memory:.3f} (true 0.7)\n")
    noisy, clean, supplied = (torch.from_numpy(series).float() for series in network.run(300, 5))
    predictors: dict[str, NodePredictor] = {
        "persistence": lambda stock, before, exchange: stock,  # noqa: ARG005
        "VAR(2) ridge, tuned": var,
        "stock and flow": model,
    }
    print(f"{'':<22}VRMSE@1  @10     @50     AUC: injected .05 .1 .2     moved .05 .1 .2")
    for name, predictor in predictors.items():
        errors = graph_errors(predictor, noisy, clean, supplied)
        monitor = BalanceMonitor(predictor, held, held_exchange)
        aucs = [
            f"{network.tampering(monitor, amplitude, balanced=balanced, seed=17):.3f}"
            for balanced in (False, True)
            for amplitude in (0.05, 0.1, 0.2)
        ]
        print(f"{name:<22}{errors[0]:.4f}   {errors[9]:.4f}  {errors[49]:.4f}  {'  '.join(aucs)}")


def graph_errors(predictor: NodePredictor, noisy: Tensor, clean: Tensor, supplied: Tensor) -> list[float]:
    starts = 240
    stock, before = noisy[1:starts], noisy[: starts - 1]
    errors = []
    with torch.no_grad():
        for k in range(50):
            stock, before = predictor(stock, before, supplied[1 + k : starts + k]), stock
            truth = clean[2 + k : starts + 1 + k]
            spread = truth - truth.mean(dim=1, keepdim=True)
            errors.append(float((stock - truth).norm() / spread.norm()))
    return errors


def inference(count: int) -> None:
    """Viscosity unknown within a factor 2.2 either way, read from five noisy frames at 32 squared."""
    print(f"{count} samples, 32^2 sensors, truth on 64^2, prior +-0.35 decades\n")
    print("domain           noise  |log10 err| median  max     z rms  ", end="")
    print("VRMSE@20 inferred  true   prior   ratio  CPU ms/sample")
    for domain, base, frame_s, watched in (
        ("burgers", 4e-3, 0.02, "velocity"),
        ("navier_stokes", 2e-3, 0.05, "vorticity"),
    ):
        generator = torch.Generator().manual_seed(11)
        shift = 0.7 * torch.rand(count, dtype=torch.float64, generator=generator) - 0.35
        true = base * 10**shift
        fine = solver_class(domain)(Grid(64), frame_s, viscosity=true)
        coarse = solver_class(domain)(Grid(32), frame_s, viscosity=base)
        state = random_waves(count, 64, generator)[:, None]
        if domain == "navier_stokes":
            state = torch.cat(
                [5 * (state - state.mean(dim=(-2, -1), keepdim=True)), torch.ones_like(state)], 1
            )
        states = [state]
        for _ in range(24):
            states.append(fine.advance(states[-1]))
        frames = torch.stack(states)[..., ::2, ::2]
        spread = frames.std(dim=(-2, -1), keepdim=True).mean(dim=0, keepdim=True)
        for level in (0.01, 0.03):
            noise = torch.randn(frames.shape, dtype=torch.float64, generator=generator)
            seen = frames + level * spread * (noise - noise.mean(dim=(-2, -1), keepdim=True))
            if domain == "navier_stokes":
                seen[:, :, 0] -= seen[:, :, 0].mean(dim=(-2, -1), keepdim=True)
            started = time.process_time()
            found = infer_coefficients(coarse, seen[:5], ["viscosity"], watched=[watched])
            spent = (time.process_time() - started) / count * 1e3
            wrong = (found.values["viscosity"] / true).log10()
            z = wrong * math.log(10) / found.standard_error["viscosity"]
            errors = []
            for value in (found.values["viscosity"], true, torch.tensor(base)):
                moved = run(coarse.with_coefficients(viscosity=value), seen[4], 20)
                errors.append(float(vrmse(moved[:, :1], frames[24, :, :1]).mean()))
            print(
                f"{domain:<17}{level:<7}{float(wrong.abs().median()):<20.4f}{float(wrong.abs().max()):<8.4f}"
                f"{float(z.square().mean().sqrt()):<7.2f}{errors[0]:<19.4f}{errors[1]:<7.4f}{errors[2]:<8.4f}"
                f"{errors[0] / errors[1]:<7.2f}{spent:.0f}"
            )


def run(solver: Solver, state: Tensor, frames: int) -> Tensor:
    for _ in range(frames):
        state = solver.advance(state)
    return state


def closure(viscosity: float, trajectories: int, budget_s: float) -> None:
    """Learned flux on Burgers whose shocks the sensors do not resolve; the base is the padded solver."""
    generator = torch.Generator().manual_seed(0)
    fine = solver_class("burgers")(Grid(128), 0.02, viscosity=viscosity)

    def draw(count: int, frames: int) -> Tensor:
        state = random_waves(count, 128, generator, 4)[:, None]
        states = [state]
        for _ in range(frames):
            states.append(fine.advance(states[-1]))
        return torch.stack([sampled(state, 32, True) for state in states])

    train, held_out, test = draw(trajectories, 20), draw(trajectories, 25), draw(trajectories, 25)
    torch.manual_seed(0)
    made = LearnedFlux(solver_class("burgers")(Grid(32), 0.02, viscosity=viscosity), width=16, levels=1)
    report = train_flux(made, train, held_out, budget_s=budget_s, seed=0)
    parameters = sum(parameter.numel() for parameter in made.parameters())
    print(f"Burgers, viscosity {viscosity:g}, 32^2 sensors, truth on 128^2; {trajectories} trajectories each")
    print(f"{parameters} parameters, {report.updates} updates, {report.cpu_s:.0f} CPU s")
    found = report.gate
    print(f"gate from held-out roll-outs: threshold {found.threshold:.3g}, strength {found.strength:g}\n")
    print(f"{'error over that of the padded solver':<40}mean (geometric)  @1     @10    @25    worst")
    forced = Gate(0.0, 1.0)
    for name, gate in (
        ("held out, gated", found),
        ("test, gated", found),
        ("test, gate forced open", forced),
    ):
        made.gate = gate
        ratios = held_out_ratios(made, held_out if name.startswith("held") else test)
        means = [float(ratios[k].log().mean().exp()) for k in (0, 9, 24)]
        print(
            f"{name:<40}{float(ratios.log().mean().exp()):<18.3f}"
            + "".join(f"{value:<7.3f}" for value in means)
            + f"{float(ratios.max()):.3f}"
        )
    made.gate = found
    state = test[0]
    plain = cpu_ms(made.finer.advance, state)
    with torch.no_grad():
        whole = cpu_ms(made_step(made), state)
    print(f"\nCPU ms a frame: padded solver {plain:.2f}, with estimate and flux {whole:.2f}")


def bands(seeds: int, domains: tuple[str, ...]) -> None:
    """Coverage, sharpness and spread of the 90 % band: as the ensemble gives it, and calibrated."""
    print(f"{seeds} seed(s) x 2 trajectories, 32^2 sensors, truth on 64^2, ten frames seen, five ahead")
    print("judged on what the sensors read then; targets: coverage 0.87-0.93 (each horizon beside it),")
    print("CRPS / MAE below 1, spread / error 0.8-1.2. bare: spread of the ensemble and sensor noise\n")
    print(
        "domain               noise  bare   coverage  by horizon                     CRPS/MAE  spread/error"
    )
    for domain in domains:
        for level in (0.0, 0.01, 0.03):
            found = [band_scores(domain, level, 4000 + seed) for seed in range(seeds)]
            totals = [sum(column) / seeds for column in zip(*(scores for scores, _ in found), strict=True)]
            bare, whole, crps, mae, wide, missed, size = totals
            each = torch.tensor([by_horizon for _, by_horizon in found]).mean(dim=0).tolist()
            # Errors of a unit or two in the last place are a lattice, on which no band can hold just 90 %.
            note = "  rounding only, not judged" if mae < 4 * torch.finfo(torch.float64).eps * size else ""
            print(
                f"{domain:<21}{level:<7}{bare:<7.3f}{whole:<10.3f}"
                f"{' '.join(f'{value:.3f}' for value in each):<31}{crps / mae:<10.2f}"
                f"{math.sqrt(wide / missed):.2f}{note}",
                flush=True,
            )


def band_scores(domain: str, level: float, seed: int) -> tuple[tuple[float, ...], list[float]]:
    """Coverage bare and calibrated, CRPS, MAE, mean squared spread and error, size; coverage by horizon."""
    problem = make_problem(domain, 32, 2, 2, seed)
    names = doubtful(problem.coarse)
    truth = make_truth(problem, 14)
    noise = torch.randn(truth.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    noise = noise - noise.mean(dim=(-2, -1), keepdim=True)
    read = truth + level * truth.std(dim=(-2, -1), keepdim=True) * noise
    for index, channel in enumerate(problem.coarse.channels):
        read[:, :, index] = read[:, :, index].clamp_min(channel.minimum)
    seen, ahead = read[:10], read[10:]
    found = Predictor(problem.coarse, infer=names).forecast(seen, 5, members=20, seed=seed)
    assert found.lower is not None
    assert found.upper is not None
    solver, inference = problem.coarse, None
    if found.track == "inferred":
        inference = infer_coefficients(problem.coarse, seen, names)
        solver = problem.coarse.with_coefficients(**inference.values)
    spread = rollout_spread(solver, seen, 5, members=20, seed=seed, inference=inference)
    plain = normal_quantile(LEVEL) * (spread.total() + spread.noise.square()).sqrt()
    deviation = (found.upper - found.lower) / (2 * normal_quantile(LEVEL))
    by_horizon = [coverage(found.lower[k], found.upper[k], ahead[k]) for k in range(5)]
    scores = (
        coverage(spread.centre - plain, spread.centre + plain, ahead),
        coverage(found.lower, found.upper, ahead),
        crps_of_normal(found.mean, deviation, ahead),
        float((found.mean - ahead).abs().mean()),
        float(deviation.square().mean()),
        float((found.mean - ahead).square().mean()),
        float(ahead.abs().mean()),
    )
    return scores, by_horizon


def harm(domains: tuple[str, ...], *, quick: bool) -> None:
    """Ratio of the forecast's error to the solver's over every domain and frame."""
    harm_table(domains, 32, 1 if quick else 3, quick=quick)


def made_step(made: LearnedFlux) -> Step:
    return lambda state: made(state).state


def laws() -> None:
    """Untrained weights over 2,000 frames at 64 squared."""
    print("precision  boundary   entropy decreases   worst drift / A_E   CPU s")
    for dtype in (torch.float32, torch.float64):
        for boundary in ("periodic", "wall"):
            torch.manual_seed(0)
            flow = DissipativeFlow(Grid(64, 1.0, boundary), width=8, levels=1)
            for parameter in flow.parameters():
                torch.nn.init.normal_(parameter, std=0.3)
            flow = flow.to(dtype)
            state = (1 + 0.9 * (2 * torch.rand(1, 1, 64, 64, dtype=torch.float64) - 1)).to(dtype)
            total, amplitude = state.double().sum(), (state.double() - state.double().mean()).abs().sum()
            entropy, decreases, drift, started = state.double().log().sum(), 0, 0.0, time.process_time()
            with torch.no_grad():
                for _ in range(2000):
                    state = flow(state)
                    reached = state.double().log().sum()
                    decreases += int(reached < entropy)
                    entropy = reached
                    drift = max(drift, float((state.double().sum() - total).abs() / amplitude))
            spent = time.process_time() - started
            print(f"{str(dtype)[6:]:<11}{boundary:<11}{decreases:<20}{drift:<20.1e}{spent:.1f}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small and fast: figures are indicative only")
    parser.add_argument("--domain", action="append", choices=DOMAINS, help="only this domain; may repeat")
    for name in ("byzantine", "graph", "inference", "closure", "bands", "harm", "laws"):
        parser.add_argument(f"--{name}", action="store_true")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    header()
    special = False
    sections: tuple[tuple[str, Callable[[], None]], ...] = (
        ("byzantine", lambda: byzantine(3 if chosen.quick else 10)),
        ("graph", lambda: graph(60 if chosen.quick else 150, 300 if chosen.quick else 1500)),
        ("inference", lambda: inference(4 if chosen.quick else 16)),
        ("closure", lambda: closure(2e-3, 8 if chosen.quick else 40, 15.0 if chosen.quick else 120.0)),
        ("bands", lambda: bands(2 if chosen.quick else 6, tuple(chosen.domain or BANDS))),
        ("harm", lambda: harm(tuple(chosen.domain or DOMAINS), quick=chosen.quick)),
        ("laws", laws),
    )
    for flag, section in sections:
        if getattr(chosen, flag):
            special = True
            section()
    if not special:
        domains = tuple(chosen.domain or DOMAINS)
        if chosen.quick:
            table(domains, 32, 2, 2, 8, 1)
        else:
            table(domains, 64, 2, 2, 20, 3)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
