"""Compare our neurons with NEST and Brian2: membranes and spikes of 256 neurons with random parameters, 1000 steps.

Where both integrate exactly, or by the same method, the membranes must agree to 1e-9 mV. NEST integrates AdEx and
Hodgkin-Huxley by an adaptive Runge-Kutta method: those rows say how far Euler's method is from it, and match no digits.
Run by ``crosscheck/environments.sh run``; writes crosscheck/results.json.
"""

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import table
import torch
from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.reset import ToValue
from ranvier.neurons import EIF, LIF, QIF, AdEx, HodgkinHuxley, Izhikevich2007, PscExpLIF, RefractoryLIF

STEPS, NEURONS = 1000, 256
Array = np.ndarray
Traces = dict[str, Array]  # (T, N) each; "spikes" among them


def ours(neuron: Neuron, x: Array, *, dt: float, start: dict[str, Any] | None = None) -> Traces:
    x_TN = torch.from_numpy(x)
    values = neuron.rest()._asdict() | (start or {})
    state = neuron.State(
        **{k: torch.as_tensor(v, dtype=torch.float64).expand(x.shape[1]).clone() for k, v in values.items()}
    )
    seen: dict[str, list[Tensor]] = {name: [] for name in ("spikes", *neuron.State._fields)}
    with torch.no_grad():
        for current in x_TN:
            state, spikes = neuron.step(state, current, dt=dt)
            for name, value in (state._asdict() | {"spikes": spikes}).items():
                seen[name].append(value)
    return {name: torch.stack(values).numpy() for name, values in seen.items()}


def learned(options: dict[str, Array]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in options.items()}


def row(neuron: str, peer: str, variant: str, mine: Traces, theirs: Traces, note: str = "") -> dict[str, Any]:
    fields = [name for name in theirs if name != "spikes"]
    steps, neurons = theirs[fields[0]].shape
    made: dict[str, Any] = {"neuron": neuron, "peer": peer, "version": VERSIONS[peer], "variant": variant}
    made |= {"parameter_sets": neurons, "steps": steps, "neurons": neurons}
    if "spikes" in theirs:
        made |= {"outputs_compared": mine["spikes"].size, "outputs_not_zero": int(mine["spikes"].sum())}
        made["mismatches"] = int((mine["spikes"] != theirs["spikes"]).sum())
    made["max_membrane_difference"] = max(float(np.abs(mine[f][:steps] - theirs[f]).max()) for f in fields)
    return made | ({"note": note} if note else {})


# NEST


def nest_run(model: str, options: dict[str, Array], weights: Array, *, dt: float, fields: dict[str, str]) -> Traces:
    """Run neurons that each receive ``weights`` (T, N), one spike a step, arriving at the end of the step."""
    import nest  # each simulator is loaded by the one function that needs it

    nest.ResetKernel()
    nest.SetKernelStatus({"resolution": dt, "print_time": False})
    steps, count = weights.shape
    neurons = nest.Create(model, count, params=[{k: float(v[n]) for k, v in options.items()} for n in range(count)])
    meter = nest.Create("multimeter", params={"record_from": list(fields.values()), "interval": dt})
    recorder = nest.Create("spike_recorder")
    nest.Connect(meter, neurons)
    nest.Connect(neurons, recorder)
    # A spike leaves its generator at k dt and arrives one step later, at the end of our step k (counted from 0).
    times = np.round(np.arange(1, steps) * dt, 6)
    for n in range(count):
        source = nest.Create("spike_generator", params={"spike_times": times, "spike_weights": weights[1:, n]})
        nest.Connect(source, neurons[n], syn_spec={"weight": 1.0, "delay": dt})
    nest.Simulate((steps + 1) * dt)
    events, fired = meter.get("events"), recorder.get("events")
    index = np.round(events["times"] / dt).astype(int) - 1
    first = neurons[0].global_id
    seen = {name: np.full((steps, count), np.nan) for name in fields}
    inside = index < steps
    for name, theirs in fields.items():
        seen[name][index[inside], events["senders"][inside] - first] = events[theirs][inside]
    seen["spikes"] = np.zeros((steps, count))
    when = np.round(np.asarray(fired["times"]) / dt).astype(int) - 1
    seen["spikes"][when[when < steps], np.asarray(fired["senders"], dtype=int)[when < steps] - first] = 1
    return seen


def nest_rows() -> list[dict[str, Any]]:
    random = np.random.default_rng(1)
    draw = lambda low, high: random.uniform(low, high, NEURONS)  # noqa: E731
    rows = []
    for words, v_th in (("sub-threshold", np.full(NEURONS, 1e6)), ("spiking", draw(-60, -52))):
        options = {"tau_m": draw(5, 30), "c_m": draw(100, 400), "v_rest": draw(-75, -65), "t_ref": draw(1, 4).round(1)}
        options |= {"v_th": v_th, "tau_syn": draw(1, 8), "i_e": draw(0, 200)}
        reset = ToValue(v_reset=torch.from_numpy(draw(-80, -70)))
        weights = random.normal(30, 100, (STEPS, NEURONS))
        weights[0] = 0
        names = {"tau_m": "tau_m", "c_m": "C_m", "v_rest": "E_L", "v_th": "V_th", "i_e": "I_e", "t_ref": "t_ref"}
        theirs = {names[k]: v for k, v in options.items() if k in names} | {"V_m": options["v_rest"]}
        theirs |= {"tau_syn_ex": options["tau_syn"], "tau_syn_in": options["tau_syn"]}
        theirs["V_reset"] = np.asarray(reset.v_reset)
        seen = nest_run("iaf_psc_exp", theirs, weights, dt=0.1, fields={"v": "V_m"})
        mine = ours(PscExpLIF(**learned(options), reset=reset), weights, dt=0.1)
        rows.append(row("PscExpLIF", "NEST", f"iaf_psc_exp, {words}", mine, seen))

        jumps = random.normal(0.3, 1.0, (STEPS, NEURONS))
        jumps[0] = 0
        plain = {k: options[k] for k in ("tau_m", "v_rest", "t_ref", "v_th")}
        theirs = {k: v for k, v in theirs.items() if not k.startswith("tau_syn")} | {"I_e": np.zeros(NEURONS)}
        seen = nest_run("iaf_psc_delta", theirs, jumps, dt=0.1, fields={"v": "V_m"})
        mine = ours(RefractoryLIF(**learned(plain), decay_input=False, reset=reset), jumps, dt=0.1)
        rows.append(row("RefractoryLIF", "NEST", f"iaf_psc_delta, {words}", mine, seen))
    rows.append(nest_lif(draw))
    rows += nest_adaptive(draw)
    return rows


def nest_lif(draw: Callable[[float, float], Array]) -> dict[str, Any]:
    """Compare the exact LIF under constant currents: iaf_psc_delta with I_e, R I_e = tau_m / C_m I_e."""
    options = {"tau_m": draw(5, 30), "v_rest": draw(-75, -65), "v_th": np.full(NEURONS, 1e6)}
    drive, c_m = draw(0, 500), 250.0
    theirs = {"tau_m": options["tau_m"], "E_L": options["v_rest"], "V_m": options["v_rest"], "V_th": options["v_th"]}
    theirs |= {"C_m": np.full(NEURONS, c_m), "I_e": drive}
    seen = nest_run("iaf_psc_delta", theirs, np.zeros((STEPS, NEURONS)), dt=0.1, fields={"v": "V_m"})
    mine = ours(LIF(**learned(options)), np.tile(options["tau_m"] / c_m * drive, (STEPS, 1)), dt=0.1)
    return row("LIF", "NEST", "iaf_psc_delta, I_e, sub-threshold", mine, {"v": seen["v"]})


def nest_adaptive(draw: Callable[[float, float], Array]) -> list[dict[str, Any]]:
    """Compare Euler's method with NEST's adaptive Runge-Kutta, below threshold."""
    note = "Not expected to match to 1e-9: Euler's method at 0.01 ms here, an adaptive Runge-Kutta-Fehlberg 4(5) there."
    dt, silence, rows = 0.01, np.zeros((STEPS, NEURONS)), []
    drive = draw(0, 400)
    base = {"C_m": 281.0, "g_L": 30.0, "E_L": -70.6, "V_th": -50.4, "Delta_T": 2.0, "tau_w": 144.0, "a": 4.0, "b": 80.5}
    constant = base | {"V_peak": 0.0, "V_m": -70.6, "w": 0.0, "gsl_error_tol": 1e-12}
    theirs = {k: np.full(NEURONS, v) for k, v in constant.items()} | {"I_e": drive}
    seen = nest_run("aeif_psc_alpha", theirs, silence, dt=dt, fields={"v": "V_m", "w": "w"})
    mine = ours(AdEx(), np.tile(drive, (STEPS, 1)), dt=dt, start={"v": -70.6, "w": 0.0})
    seen.pop("spikes")
    rows.append(row("AdEx", "NEST", "aeif_psc_alpha, sub-threshold", mine, seen, note))

    drive = draw(0, 1.5)  # more makes a spike at the onset
    rest = HodgkinHuxley().rest()
    gates = {"Act_m": rest.m, "Inact_h": rest.h, "Act_n": rest.n, "V_m": rest.v}
    constant = {"C_m": 100.0, "g_Na": 12000.0, "g_K": 3600.0, "g_L": 30.0, "E_Na": 50.0, "E_K": -77.0, "E_L": -54.4}
    theirs = {k: np.full(NEURONS, v) for k, v in (constant | gates).items()} | {"I_e": 100 * drive}
    seen = nest_run("hh_psc_alpha", theirs, silence, dt=dt, fields={"v": "V_m"})
    mine = ours(HodgkinHuxley(), np.tile(drive, (STEPS, 1)), dt=dt)
    return [*rows, row("HodgkinHuxley", "NEST", "hh_psc_alpha, sub-threshold", mine, {"v": seen["v"]}, note)]


# Brian2


def brian_run(
    equations: str, options: dict[str, Any], *, dt: float, method: str, fields: tuple[str, ...], rule: dict[str, str]
) -> Traces:
    """Run neurons whose every parameter is a constant of its own."""
    import brian2 as b2

    b2.prefs.codegen.target = "numpy"
    b2.start_scope()
    b2.defaultclock.dt = dt * b2.ms
    constants = "\n".join(f"{name} : 1 (constant)" for name in options if name not in fields)
    group = b2.NeuronGroup(NEURONS, equations + "\n" + constants, method=method, **rule)
    for name, value in options.items():
        setattr(group, name, value)
    # A monitor sees the state before each step; one step more shows the state after the last.
    states = b2.StateMonitor(group, fields, record=True)
    spikes = b2.SpikeMonitor(group) if rule else None
    b2.run((STEPS + 1) * dt * b2.ms)
    seen = {name: np.asarray(getattr(states, name)).T[1:] for name in fields}
    if spikes is not None:
        seen["spikes"] = np.zeros((STEPS, NEURONS))
        when = np.round(np.asarray(spikes.t / b2.ms) / dt).astype(int)
        seen["spikes"][when[when < STEPS], np.asarray(spikes.i)[when < STEPS]] = 1
    return seen


def peaked(after: str = "") -> dict[str, str]:
    return {"threshold": "v >= v_peak", "reset": f"v = v_reset{after}"}


HH = """
dv/dt = (g_na*m**3*h*(e_na - v) + g_k*n**4*(e_k - v) + g_l*(e_l - v) + x)/c_m/ms : 1
dm/dt = (1/exprel(-(v + 40)/10)*(1 - m) - 4*exp(-(v + 65)/18)*m)/ms : 1
dh/dt = (0.07*exp(-(v + 65)/20)*(1 - h) - 1/(1 + exp(-(v + 35)/10))*h)/ms : 1
dn/dt = (0.1/exprel(-(v + 55)/10)*(1 - n) - 0.125*exp(-(v + 65)/80)*n)/ms : 1
"""
MODELS: dict[str, tuple[type[Neuron], str, str, float, float, dict[str, str]]] = {
    # name: neuron, equations, method, dt, largest input, threshold and reset
    "LIF": (LIF, "dv/dt = (v_rest - v + x)/(tau_m*ms) : 1", "exact", 0.1, 10.0, {}),
    "LIF, euler": (LIF, "dv/dt = (v_rest - v + x)/(tau_m*ms) : 1", "euler", 0.1, 10.0, {}),
    "QIF": (QIF, "dv/dt = (a_0*(v - v_rest)*(v - v_c) + x)/(tau_m*ms) : 1", "euler", 0.1, 12.0, peaked()),
    "EIF": (
        EIF, "dv/dt = (v_rest - v + delta_t*exp((v - v_t)/delta_t) + x)/(tau_m*ms) : 1", "euler", 0.1, 20.0, peaked(),
    ),
    "AdEx": (
        AdEx,
        "dv/dt = (g_l*(v_rest - v) + g_l*delta_t*exp((v - v_t)/delta_t) - w + x)/c_m/ms : 1\n"
        "dw/dt = (a*(v - v_rest) - w)/(tau_w*ms) : 1",
        "euler", 0.1, 1500.0, peaked("; w += b"),
    ),
    "Izhikevich2007": (
        Izhikevich2007,
        "dv/dt = (k*(v - v_rest)*(v - v_t) - u + x)/c_m/ms : 1\ndu/dt = a*(b*(v - v_rest) - u)/ms : 1",
        "euler", 0.1, 200.0, peaked("; u += d"),
    ),
    "HodgkinHuxley": (HodgkinHuxley, HH, "exponential_euler", 0.01, 10.0, {}),
}  # fmt: skip


def brian_rows() -> list[dict[str, Any]]:
    random, rows = np.random.default_rng(2), []
    for name, (kind, equations, method, dt, largest, rule) in MODELS.items():
        # Parameters spread by 2 % around their defaults; inputs from none to well above threshold.
        defaults = {k: v for k, v in vars(kind()).items() if isinstance(v, float)}
        if kind is LIF:
            defaults["v_th"] = 1e6
        options = {k: v * random.uniform(0.98, 1.02, NEURONS) for k, v in defaults.items()}
        neuron: Any = kind(**learned(options), **({"discretisation": "euler"} if name == "LIF, euler" else {}))
        x, fields = np.linspace(0, largest, NEURONS), neuron.State._fields
        start = {k: np.asarray(v) * np.ones(NEURONS) for k, v in neuron.rest()._asdict().items()}
        theirs = {**options, **start, "x": x}
        if rule:
            theirs["v_reset"] = np.full(NEURONS, neuron.reset.v_reset)
        seen = brian_run(equations, theirs, dt=dt, method=method, fields=fields, rule=rule)
        mine = ours(neuron, np.tile(x, (STEPS, 1)), dt=dt)
        words = f"{method}, {'spiking' if rule or kind is HodgkinHuxley else 'sub-threshold'}"
        rows.append(row(kind.__name__, "Brian2", words, mine, seen))
    return [*rows, brian_synapse(random)]


def brian_synapse(random: Any) -> dict[str, Any]:
    """Compare the decay of one postsynaptic current, solved exactly by both."""
    draw = lambda low, high: random.uniform(low, high, NEURONS)  # noqa: E731
    options = {"tau_m": draw(5, 30), "tau_syn": draw(1, 4), "c_m": draw(100, 400), "v_rest": draw(-75, -65)}
    options["i_e"] = draw(0, 100)
    start = {"v": draw(-72, -60), "i": draw(-200, 500)}
    theirs = options | {"v": start["v"], "i_syn": start["i"]}  # i alone means the neuron's number there
    equations = "dv/dt = (v_rest - v)/(tau_m*ms) + (i_syn + i_e)/c_m/ms : 1\ndi_syn/dt = -i_syn/(tau_syn*ms) : 1"
    seen = brian_run(equations, theirs, dt=0.1, method="exact", fields=("v", "i_syn"), rule={})
    seen["i"] = seen.pop("i_syn")
    neuron = PscExpLIF(**learned(options), v_th=1e6)
    mine = ours(neuron, np.zeros((STEPS, NEURONS)), dt=0.1, start=start)
    return row("PscExpLIF", "Brian2", "exact, sub-threshold", mine, seen)


VERSIONS = {"NEST": version("nest-simulator"), "Brian2": version("brian2")}


def main() -> None:
    os.environ.setdefault("PYNEST_QUIET", "1")
    torch.set_num_threads(1)
    made = {"NEST": nest_rows, "Brian2": brian_rows}
    wanted = sys.argv[1:] or list(made)
    rows = [found for peer in wanted for found in made[peer]()]
    table.show(rows)
    packages = {"torch": torch.__version__, "numpy": np.__version__}
    table.write(rows, peers=set(wanted), packages=packages)


if __name__ == "__main__":
    main()
