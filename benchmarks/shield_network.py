"""The shield on a simulated water network: EPANET Net3 in closed loop, attacked by the plant's own intruder.

Each attack is a run of its own of one and the same plant: equal seeds give equal telemetry up to the strike, so the
clean days are fitted once. In the calm days after them every ticket is false.
"""

import numpy as np

from industriverse.eil.watch import ticket_rows
from industriverse.shield.fusion import ShieldModel, ShieldMonitor
from industriverse.simulation.attack import AttackSpec, SpoofMode
from industriverse.simulation.water_network import WaterNetworkPlant

__all__ = ["network"]

INTERVAL_S = 900
DAY = 86_400 // INTERVAL_S
SEED = 11
CLEAN_DAYS, CALM_DAYS, STRUCK_DAYS = 30, 10, 1
START_NS = 1_700_000_000_000_000_000
STRIKES: dict[str, tuple[SpoofMode, float, str]] = {
    "level frozen, pump stopped": ("freeze", 0.0, "closed"),
    "level replayed, pump stopped": ("replay", 0.0, "closed"),
    "level raised by 1 m": ("offset", 1.0, "none"),
    "pump stopped": ("none", 0.0, "closed"),
}


def network() -> None:
    """Print attacks found, false tickets and the share of calm time with a benign index."""
    print(f"\nsimulated water network (EPANET Net3), {CLEAN_DAYS} clean days, 1 false ticket a day")
    fitted, struck = CLEAN_DAYS * DAY, (CLEAN_DAYS + CALM_DAYS) * DAY
    model: ShieldModel | None = None
    for kind, (spoof, spoof_m, override) in STRIKES.items():
        attack = AttackSpec(struck, spoof=spoof, spoof_m=spoof_m, override=override)  # type: ignore[arg-type]
        plant = WaterNetworkPlant(SEED, START_NS, attack, interval_s=INTERVAL_S)
        frame = plant.advance(struck + STRUCK_DAYS * DAY)
        plant.close()
        if model is None:
            model = ShieldModel.fit(frame.rows(0, fitted))
        monitor = ShieldMonitor(model)
        calm = monitor.see(frame.rows(fitted, struck))[1]
        readings, shield = monitor.see(frame.rows(struck))
        hours = [
            int(np.argmax(a)) * INTERVAL_S / 3600.0 if a.any() else None
            for a in (readings.alarm, shield.alarm)
        ]
        told = ["not found" if hour is None else f"after {hour:.2f} h" for hour in hours]
        before = "in alarm" if calm.alarm[-4:].any() else "calm"
        print(f"{kind}: shield {told[1]}, core alone {told[0]}; {before} in the hour before", flush=True)
    false_tickets = len(ticket_rows(calm.timestamps_ns, calm.alarm))
    print(
        f"{false_tickets} false tickets in {CALM_DAYS} calm days; ICI < 20 in "
        f"{100 * float((calm.index < 20).mean()):.2f} % of them",
        flush=True,
    )
