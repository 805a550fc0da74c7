"""The shield on a simulated water network: EPANET Net3 in closed loop, attacked by the plant's own intruder.

The clean rows are one run of the simulation; every attack is a run of the same plant with other demand and noise, calm
for two days and then struck for a day. Before the strike every ticket is false.
"""

import numpy as np

from industriverse.eil.watch import ticket_rows
from industriverse.shield.fusion import ShieldModel, ShieldMonitor
from industriverse.simulation.attack import AttackSpec, SpoofMode
from industriverse.simulation.water_network import WaterNetworkPlant

__all__ = ["network"]

INTERVAL_S = 900
DAY = 86_400 // INTERVAL_S
CLEAN_DAYS, CALM_DAYS, STRUCK_DAYS = 40, 2, 1
START_NS = 1_700_000_000_000_000_000
STRIKES: dict[str, tuple[SpoofMode, float, str]] = {
    "level frozen, pump stopped": ("freeze", 0.0, "closed"),
    "level replayed, pump stopped": ("replay", 0.0, "closed"),
    "level raised by 1 m": ("offset", 1.0, "none"),
    "pump stopped": ("none", 0.0, "closed"),
}
SEEDS = (21, 22, 23)


def network() -> None:
    """Print attacks found, false tickets and the share of calm time with a benign index."""
    print(f"\nsimulated water network (EPANET Net3), {CLEAN_DAYS} clean days, 1 false ticket a day")
    clean = WaterNetworkPlant(11, START_NS, interval_s=INTERVAL_S).advance(CLEAN_DAYS * DAY)
    model = ShieldModel.fit(clean)
    after_ns = int(clean.timestamps_ns[-1]) + INTERVAL_S * 1_000_000_000
    false_tickets, calm_days, benign = 0, 0.0, []
    for kind, (spoof, spoof_m, override) in STRIKES.items():
        found: dict[str, int] = {"core": 0, "shield": 0}
        delays_h = []
        for seed in SEEDS:
            attack = AttackSpec(CALM_DAYS * DAY, spoof=spoof, spoof_m=spoof_m, override=override)  # type: ignore[arg-type]
            plant = WaterNetworkPlant(seed, after_ns, attack, interval_s=INTERVAL_S)
            frame = plant.advance((CALM_DAYS + STRUCK_DAYS) * DAY)
            plant.close()
            readings, shield = ShieldMonitor(model).see(frame)
            struck = CALM_DAYS * DAY
            found["core"] += bool(readings.alarm[struck:].any())
            found["shield"] += bool(shield.alarm[struck:].any())
            if shield.alarm[struck:].any():
                delays_h.append(int(np.argmax(shield.alarm[struck:])) * INTERVAL_S / 3600.0)
            false_tickets += len(ticket_rows(frame.timestamps_ns[:struck], shield.alarm[:struck]))
            calm_days += CALM_DAYS
            benign.append(shield.index[:struck])
        delay = f", median delay {np.median(delays_h):.2f} h" if delays_h else ""
        print(f"{kind}: {found['shield']} of {len(SEEDS)} found ({found['core']} by the core alone){delay}")
    share = 100 * float((np.concatenate(benign) < 20).mean())
    print(
        f"{false_tickets} false tickets in {calm_days:.0f} calm days; ICI < 20 in {share:.2f} % of calm time",
        flush=True,
    )
