"""Train a predictor and look at one: the body of ``industriverse nvp``."""

import json
import time
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["show_card", "train_predictor"]


def train_predictor(
    *,
    domain: str,
    budget_s: float,
    seed: int,
    out: Path,
    work: Path | None,
    trajectories: int,
    held_out: int,
    updates: int | None,
) -> None:
    """Trains with a progress bar; a killed run goes on where it stopped."""
    import torch

    from industriverse.nvp.recipes import recipe
    from industriverse.nvp.training_run import Plan, train

    torch.set_num_threads(1)
    plan = Plan(budget_s, seed, trajectories, held_out, updates)
    folder = work or out.with_suffix(".training")
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    started = time.process_time()
    with Progress(*columns, console=console) as bar:
        tasks: dict[str, TaskID] = {}

        def told(phase: str, share: float, loss: float) -> None:
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=1.0, loss="")
            text = "" if loss != loss else f"(error / solver error)^2 {loss:.3f}"
            bar.update(tasks[phase], completed=share, loss=text)

        card = train(recipe(domain), plan, folder, out, told)
    ratios = card["ratio_to_solver"]["test"]
    click.echo(f"{out}  {out.stat().st_size / 1e6:.2f} MB  {time.process_time() - started:.0f} CPU s")
    mean, worst = ratios["geometric_mean"], ratios["worst"]
    click.echo(f"error / solver error on test: mean {mean:.3f}, worst {worst:.3f}")
    for name, row in card["rows"].items():
        one, whole, cost = row["vrmse_1"], row["vrmse_mean"], row["cpu_ms"]
        click.echo(f"{name:<22}VRMSE@1 {one:.5f}  mean {whole:.5f}  {cost} CPU ms")


def show_card(path: Path) -> None:
    """Prints the model card that travels inside a weights file."""
    from industriverse.nvp.predictor import Predictor

    predictor = Predictor.load(path)
    card = json.loads(predictor.card.get("card", "{}"))
    click.echo(json.dumps(card, indent=1, sort_keys=True))
