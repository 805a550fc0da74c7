"""The detection core: one compiled loop from a raw sample to a conformal p-value and an alarm.

Each sample passes through scaling, cycle, quasi-static level, ridge VAR innovation, equilibrium and innovation
energies, exponentially weighted work and heat, windowed structure, entropy and entropy production, and the
fusion of capped ``-log p`` values. Everything that survives a sample lives in the arrays of
:class:`~industriverse.eil.state.KernelState`, so a block and its rows one by one run the same instructions
and give the same bits. Cost per sample is O(d (p r + m)) for d channels, r lag features and m modes.

numba is loaded with this module; import it only where samples are scored. The compiler's cache on disk is renewed
file by file, so save this file too after a change in ``layout`` or ``kernel_moments``.
"""

import numpy as np
from numpy.typing import NDArray

from industriverse.eil import layout
from industriverse.eil.kernel_moments import flow_moments, structure_energy
from industriverse.physics.compiled import compiled

__all__ = ["fuse_components", "run_kernel"]


@compiled
def _negative_log_p(value: float, tail: NDArray[np.float64]) -> float:
    """-log of the clean probability of a component at least ``value``: empirical knots, then a GPD tail."""
    exceedance, sigma, xi = tail[0], tail[1], tail[2]
    last = layout.KNOTS - 1
    if value > tail[3 + last]:
        scaled = (value - tail[3 + last]) / sigma
        return float(-np.log(exceedance) + (np.log1p(xi * scaled) / xi if xi > 1e-3 else scaled))
    if value <= tail[3]:
        return 0.0
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if tail[3 + middle] >= value:
            high = middle
        else:
            low = middle
    step = (1.0 - exceedance) / last
    width = tail[3 + high] - tail[3 + low]
    part = (value - tail[3 + low]) / width if width > 0.0 else 1.0
    return float(-np.log(1.0 - step * (low + part)))


@compiled
def _fuse(
    components: NDArray[np.float64],
    tails: NDArray[np.float64],
    weights: NDArray[np.float64],
    drift: NDArray[np.float64],
    relief: NDArray[np.float64],
    drift_rate: float,
) -> tuple[float, float]:
    """Weighted mean of the capped -log p of the components: as it is, and over what each lately carried.

    On clean rows -log p has mean 1. ``drift`` follows its recent mean, from values limited to ``DRIFT_LIMIT``
    and from none above ``DRIFT_REJECT``, so that a slow change of the plant ceases to raise alarms while a
    strong departure, however long, teaches nothing. ``relief`` divides what a person has called false or
    planned. The first score never adapts.
    """
    score, adapted = 0.0, 0.0
    for c in range(weights.shape[0]):
        if weights[c] > 0.0:
            surprise = min(_negative_log_p(components[c], tails[c]), layout.SCORE_CAP)
            if surprise < layout.DRIFT_REJECT:
                drift[c] += drift_rate * (min(surprise, layout.DRIFT_LIMIT) - drift[c])
            score += weights[c] * surprise
            adapted += weights[c] * surprise / (max(drift[c], 1.0) * relief[c])
    return score, adapted


@compiled
def fuse_components(
    components: NDArray[np.float64],
    tails: NDArray[np.float64],
    weights: NDArray[np.float64],
    drift: NDArray[np.float64],
    drift_rate: float,
) -> NDArray[np.float64]:
    """Adapted scores in nats, shape (n,), of raw components (n, c); ``drift`` (c,) moves on."""
    scores, relief = np.empty(components.shape[0]), np.ones(weights.shape[0])
    for t in range(components.shape[0]):
        scores[t] = _fuse(components[t], tails, weights, drift, relief, drift_rate)[1]
    return scores


@compiled
def _keep_budget(adapted: float, scalars: NDArray[np.float64], counters: NDArray[np.float64]) -> bool:
    """Whether the sample is in alarm; the threshold moves so that tickets come at the promised rate.

    Integral control (Gibbs & Candes, "Adaptive conformal inference under distribution shift", 2021): up by one
    gain at a ticket, down by gain times rate at each calm sample. Frozen while in alarm beyond the first
    tickets of an excursion, and bounded, so that no attack lifts the threshold by more than a known amount.
    """
    alarm = bool(adapted >= scalars[layout.THRESHOLD] + counters[layout.OFFSET])
    counters[layout.SINCE_TICKET] += 1.0
    gain = scalars[layout.KEEPER_GAIN]
    if alarm:
        counters[layout.SINCE_ALARM] = 0.0
        if counters[layout.SINCE_TICKET] >= scalars[layout.REFRACTORY_ROWS]:
            counters[layout.SINCE_TICKET] = 0.0
            counters[layout.EXCURSION_TICKETS] += 1.0
            if counters[layout.EXCURSION_TICKETS] <= layout.EXCURSION_LIMIT:
                counters[layout.OFFSET] += gain
    else:
        counters[layout.SINCE_ALARM] += 1.0
        if counters[layout.SINCE_ALARM] >= scalars[layout.REFRACTORY_ROWS]:
            counters[layout.EXCURSION_TICKETS] = 0.0
        counters[layout.OFFSET] -= gain * scalars[layout.TICKET_RATE]
    limit = scalars[layout.KEEPER_LIMIT]
    counters[layout.OFFSET] = min(max(counters[layout.OFFSET], -limit), limit)
    return alarm


@compiled
def _project(vector: NDArray[np.float64], modes: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Out = modes^T vector, summed channel by channel so that the inner loop is contiguous."""
    for c in range(modes.shape[1]):
        out[c] = 0.0
    for i in range(modes.shape[0]):
        value = vector[i]
        if value != 0.0:
            for c in range(modes.shape[1]):
                out[c] += value * modes[i, c]


@compiled
def _forecast(
    coefficients: NDArray[np.float64], lags: NDArray[np.float64], forecast: NDArray[np.float64]
) -> None:
    """One-step forecast of the residuals from the lag features, one row of coefficients a feature."""
    d, order, features = forecast.shape[0], lags.shape[0], lags.shape[1]
    for j in range(d):
        forecast[j] = coefficients[0, j]
    for q in range(order):
        for i in range(features):
            value = lags[q, i]
            if value != 0.0:
                row = 1 + q * features + i
                for j in range(d):
                    forecast[j] += value * coefficients[row, j]


@compiled
def _cyclic_mean(angle: float, channel: NDArray[np.float64], cyclic: NDArray[np.float64]) -> None:
    """Departure of the mean at a phase from the mean over the cycle, in clean standard deviations."""
    for j in range(cyclic.shape[0]):
        cyclic[j] = 0.0
    harmonics = (channel.shape[0] - layout.CHANNEL_ROWS) // 2
    turn_cosine, turn_sine = np.cos(angle), np.sin(angle)
    cosine, sine = 1.0, 0.0
    for h in range(harmonics):
        cosine, sine = cosine * turn_cosine - sine * turn_sine, sine * turn_cosine + cosine * turn_sine
        row = layout.CHANNEL_ROWS + 2 * h
        for j in range(cyclic.shape[0]):
            cyclic[j] += cosine * channel[row, j] + sine * channel[row + 1, j]


@compiled
def _observe(
    sample: NDArray[np.float64],
    channel: NDArray[np.float64],
    scalars: NDArray[np.float64],
    forecast: NDArray[np.float64],
    cyclic: NDArray[np.float64],
    state: NDArray[np.float64],
) -> None:
    """Scale a sample, take cycle, level and forecast off it, and move the level and the slow chart.

    A missing value is replaced by its forecast: its innovation is zero and its level is kept.
    """
    clip, slew = scalars[layout.CLIP], scalars[layout.SLEW]
    for j in range(sample.shape[0]):
        level = state[layout.LEVEL, j]
        expected = min(max(level + forecast[j], -clip), clip)
        state[layout.EXPECTED, j] = channel[layout.CENTER, j] + channel[layout.SCALE, j] * (
            expected + cyclic[j]
        )
        value = sample[j]
        if value != value or channel[layout.KIND, j] == layout.UNOBSERVED:
            state[layout.OBSERVED, j] = 0.0
            state[layout.INNOVATION, j] = 0.0
            state[layout.POSITION, j] = expected - level
            continue
        state[layout.OBSERVED, j] = 1.0
        departure = value - channel[layout.CENTER, j]
        if channel[layout.KIND, j] == layout.CONSTANT:
            # A channel without clean variation has no scale: any change counts as the same step.
            moved = abs(departure) > 1e-9 * abs(channel[layout.CENTER, j])
            scaled = (layout.CONSTANT_STEP if departure > 0.0 else -layout.CONSTANT_STEP) if moved else 0.0
        else:
            scaled = min(max(departure / channel[layout.SCALE, j] - cyclic[j], -clip), clip)
        slow = min(max(scaled, -layout.SLOW_CLIP), layout.SLOW_CLIP) - channel[layout.SLOW_CENTER, j]
        state[layout.SLOW, j] += scalars[layout.SLOW_RATE] * (slow - state[layout.SLOW, j])
        residual = scaled - level
        state[layout.POSITION, j] = residual
        state[layout.INNOVATION, j] = (residual - forecast[j]) / channel[layout.INNOVATION_SD, j]
        state[layout.LEVEL, j] = level + min(max(residual, -slew), slew) * channel[layout.LEVEL_RATE, j]


@compiled
def _remember(
    position: NDArray[np.float64],
    lag_basis: NDArray[np.float64],
    lags: NDArray[np.float64],
    features: NDArray[np.float64],
) -> None:
    """Shift the lag features by one step."""
    for q in range(lags.shape[0] - 1, 0, -1):
        for i in range(lags.shape[1]):
            lags[q, i] = lags[q - 1, i]
    if lag_basis.shape[0] == 0:
        for i in range(lags.shape[1]):
            lags[0, i] = position[i]
    else:
        _project(position, lag_basis, features)
        for i in range(lags.shape[1]):
            lags[0, i] = features[i]


@compiled
def _mspc(
    state: NDArray[np.float64],
    channel: NDArray[np.float64],
    modes: NDArray[np.float64],
    variances: NDArray[np.float64],
    scalars: NDArray[np.float64],
    deviation: NDArray[np.float64],
    projected: NDArray[np.float64],
) -> float:
    """max(T2/UCL, SPE/UCL) of the scaled sample before level and forecast are taken off."""
    total = 0.0
    for j in range(deviation.shape[0]):
        deviation[j] = state[layout.POSITION, j] + state[layout.LEVEL, j] - channel[layout.MSPC_CENTER, j]
        if state[layout.OBSERVED, j] == 0.0 and channel[layout.KIND, j] == layout.UNOBSERVED:
            deviation[j] = 0.0
        total += deviation[j] * deviation[j]
    _project(deviation, modes, projected)
    t2, explained = 0.0, 0.0
    for c in range(modes.shape[1]):
        square = projected[c] * projected[c]
        explained += square
        t2 += square / variances[c]
    return float(max(t2 / scalars[layout.T2_LIMIT], max(total - explained, 0.0) / scalars[layout.SPE_LIMIT]))


@compiled
def _filter(
    state: NDArray[np.float64],
    smooth: NDArray[np.float64],
    channel: NDArray[np.float64],
    position: NDArray[np.float64],
    rates: NDArray[np.float64],
    components: NDArray[np.float64],
    reading: NDArray[np.float64],
    report: int,
) -> None:
    """Update work, heat and smoothed equilibrium at every scale; a missing channel relaxes to neutral."""
    scales, d = rates.shape[0], state.shape[1]
    for a in range(scales):
        rate = rates[a]
        work, heat, largest, capped, temperature, active = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(d):
            x, square = 0.0, 1.0
            if state[layout.OBSERVED, j] == 1.0:
                x = state[layout.INNOVATION, j]
                square = x * x
                if channel[layout.KIND, j] == layout.CONSTANT and square == 0.0:
                    square = 1.0
            mean = state[layout.FIRST_FILTER + a, j]
            mean += rate * (x - mean)
            power = state[layout.FIRST_FILTER + scales + a, j]
            power += rate * (square - power)
            state[layout.FIRST_FILTER + a, j] = mean
            state[layout.FIRST_FILTER + scales + a, j] = power
            variance = max(power - mean * mean, layout.MINIMUM_VARIANCE)
            work += mean * mean
            largest = max(largest, mean * mean)
            capped += min(mean * mean / rate, layout.CAPPED_SQUARE)
            heat += 0.5 * (variance - 1.0 - np.log(variance))
            if channel[layout.KIND, j] != layout.UNOBSERVED:
                temperature += power
                active += 1.0
        smoothed = 0.0
        for c in range(smooth.shape[1]):
            smooth[a, c] += rate * (position[c] - smooth[a, c])
            smoothed += smooth[a, c] * smooth[a, c]
        first = layout.STATIC_COMPONENTS + layout.SCALE_COMPONENTS * a
        components[first] = np.log1p(work / rate)
        components[first + 1] = np.log1p(largest / rate)
        components[first + 2] = np.log1p(heat)
        components[first + layout.SMOOTH_COMPONENT] = np.log1p(smoothed / rate)
        components[first + 4] = np.log1p(capped)
        if a == report:
            reading[5] = temperature / max(active, 1.0)
            reading[8] = 0.5 * work
            reading[9] = heat


@compiled
def _drain(
    state: NDArray[np.float64],
    smooth: NDArray[np.float64],
    components: NDArray[np.float64],
    scalars: NDArray[np.float64],
    counters: NDArray[np.float64],
    scales: int,
) -> None:
    """Empty the long filters when the short ones, once stirred, are calm: an alarm ends with its cause.

    A departure so small that only the long filters see it never stirs the short ones and is not drained.
    """
    fast, smoothed = components[0], components[layout.STATIC_COMPONENTS + layout.SMOOTH_COMPONENT]
    if fast > scalars[layout.STIRRED_INNOVATION] or smoothed > scalars[layout.STIRRED_SMOOTH]:
        counters[layout.STIRRED] = 1.0
    calm = fast <= scalars[layout.CALM_INNOVATION] and smoothed <= scalars[layout.CALM_SMOOTH]
    counters[layout.CALM_COUNT] = counters[layout.CALM_COUNT] + 1.0 if calm else 0.0
    if counters[layout.STIRRED] == 0.0 or counters[layout.CALM_COUNT] < layout.CALM_SAMPLES:
        return
    if counters[layout.CALM_COUNT] >= layout.CALM_SAMPLES + layout.DRAIN_SAMPLES:
        counters[layout.STIRRED] = 0.0
    for a in range(1, scales):
        for j in range(state.shape[1]):
            state[layout.FIRST_FILTER + a, j] *= 1.0 - layout.DRAIN
            power = state[layout.FIRST_FILTER + scales + a, j]
            state[layout.FIRST_FILTER + scales + a, j] = power + layout.DRAIN * (1.0 - power)
        for c in range(smooth.shape[1]):
            smooth[a, c] *= 1.0 - layout.DRAIN


@compiled
def run_kernel(
    values: NDArray[np.float64],
    channel: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    lag_basis: NDArray[np.float64],
    innovation_modes: NDArray[np.float64],
    equilibrium_modes: NDArray[np.float64],
    mspc_modes: NDArray[np.float64],
    mode_variance: NDArray[np.float64],
    tails: NDArray[np.float64],
    weights: NDArray[np.float64],
    rates: NDArray[np.float64],
    scalars: NDArray[np.float64],
    state: NDArray[np.float64],
    lags: NDArray[np.float64],
    smooth: NDArray[np.float64],
    window: NDArray[np.float64],
    flow: NDArray[np.float64],
    counters: NDArray[np.float64],
    drift: NDArray[np.float64],
    relief: NDArray[np.float64],
    components: NDArray[np.float64],
    readings: NDArray[np.float64],
) -> None:
    """Run the pipeline over ``values`` (n, d), updating the state and filling ``components``, ``readings``.

    Args:
        values: Raw samples, NaN where missing, shape (n, d).
        channel: Per-channel constants, rows named in ``layout``, then the amplitudes of a cycle, shape (rows, d).
        coefficients: Intercept and lag coefficients, shape (1 + p r, d).
        lag_basis: Basis of the lag features, shape (d, r), or (0, 0) when the features are the channels.
        innovation_modes: Columns that whiten the innovation, shape (d, m).
        equilibrium_modes: Columns that whiten the position, principal first, shape (d, m).
        mspc_modes: Orthonormal principal columns of the MSPC expert, shape (d, k).
        mode_variance: Variances of innovation, equilibrium and MSPC modes in rows 0, 1, 2.
        tails: Fitted tails of the components and, last, of the score, shape (c + 1, 3 + layout.KNOTS).
        weights: Fusion weights, shape (c,), summing to 1.
        rates: Filter rates 1/scale, fastest first, shape (s,).
        scalars: Constants named in ``layout``.
        state: Per-channel state, rows named in ``layout``.
        lags: Lag features, newest first, shape (p, r).
        smooth: Smoothed equilibrium modes, shape (s, m).
        window: Running moments of the leading innovation modes, shape (k + 1, k).
        flow: Running moments of the leading equilibrium modes and their past, shape (2 k + 2, 2 k).
        counters: Counters named in ``layout``.
        drift: Recent mean of the limited -log p of each component, shape (c,).
        relief: Divisor of each component in the adapted score, from feedback, shape (c,).
        components: Receives the raw components, shape (n, c).
        readings: Receives the columns named in ``layout.READING_COLUMNS``, shape (n, 12). Where the channels
            follow a cycle, the first column comes with the phase of each row, radians.
    """
    d, leading, pairs = values.shape[1], window.shape[1], flow.shape[1]
    forecast, deviation, cyclic = np.empty(d), np.empty(d), np.zeros(d)
    kinetic, position = np.empty(innovation_modes.shape[1]), np.empty(equilibrium_modes.shape[1])
    projected, features = np.empty(mspc_modes.shape[1]), np.empty(lags.shape[1])
    correlation, lower = np.empty((leading, leading)), np.zeros((leading, leading))
    pair_matrix, pair_lower, column = np.empty((pairs, pairs)), np.zeros((pairs, pairs)), np.empty(pairs)
    principal, report = int(scalars[layout.PRINCIPAL]), int(scalars[layout.REPORT_SCALE])
    for t in range(values.shape[0]):
        component, reading = components[t], readings[t]
        _forecast(coefficients, lags, forecast)
        if channel.shape[0] > layout.CHANNEL_ROWS:
            _cyclic_mean(reading[0], channel, cyclic)
        _observe(values[t], channel, scalars, forecast, cyclic, state)
        _remember(state[layout.POSITION], lag_basis, lags, features)
        _project(state[layout.INNOVATION], innovation_modes, kinetic)
        explained, kinetic_energy = 0.0, 0.0
        for c in range(kinetic.shape[0]):
            kinetic_energy += kinetic[c] * kinetic[c]
            explained += kinetic[c] * kinetic[c] * mode_variance[0, c]
        if scalars[layout.INNOVATION_RESIDUAL] > 0.0:
            total = 0.0
            for j in range(d):
                total += state[layout.INNOVATION, j] * state[layout.INNOVATION, j]
            kinetic_energy += max(total - explained, 0.0) * scalars[layout.INNOVATION_RESIDUAL]
        _project(state[layout.POSITION], equilibrium_modes, position)
        t2, residual, explained = 0.0, 0.0, 0.0
        for c in range(position.shape[0]):
            square = position[c] * position[c]
            explained += square * mode_variance[1, c]
            if c < principal:
                t2 += square
            else:
                residual += square
        if scalars[layout.EQUILIBRIUM_RESIDUAL] > 0.0:
            total = 0.0
            for j in range(d):
                total += state[layout.POSITION, j] * state[layout.POSITION, j]
            residual += max(total - explained, 0.0) * scalars[layout.EQUILIBRIUM_RESIDUAL]
        component[0] = np.log1p(kinetic_energy)
        component[1] = np.log1p(t2)
        component[2] = np.log1p(residual)
        component[3] = np.log1p(
            _mspc(state, channel, mspc_modes, mode_variance[2], scalars, deviation, projected)
        )
        largest, capped = 0.0, 0.0
        for j in range(d):
            square = state[layout.INNOVATION, j] * state[layout.INNOVATION, j]
            largest = max(largest, square)
            capped += min(square, layout.CAPPED_SQUARE)
        component[4] = np.log1p(largest)
        component[5] = np.log1p(capped)
        _filter(state, smooth, channel, position, rates, component, reading, report)
        reading[10] = structure_energy(window, kinetic, scalars[layout.WINDOW_RATE], correlation, lower)
        flow_moments(flow, position, scalars[layout.WINDOW_RATE], pair_matrix, pair_lower, column, reading)
        reading[6] -= scalars[layout.ENTROPY_OFFSET]
        score, adapted = _fuse(component, tails, weights, drift, relief, scalars[layout.DRIFT_RATE])
        reading[0] = score
        reading[1] = np.exp(-min(_negative_log_p(adapted, tails[weights.shape[0]]), layout.SCORE_CAP))
        reading[2] = 1.0 if _keep_budget(adapted, scalars, counters) else 0.0
        reading[3] = 0.5 * (t2 + residual)
        reading[4] = 0.5 * kinetic_energy
        reading[7] = reading[8] + reading[9] + reading[10]
        _drain(state, smooth, component, scalars, counters, rates.shape[0])
