"""Compare our neurons with NEST and Brian2: membranes and spikes of 256 neurons with random parameters, 1000 steps.

Where both integrate exactly, or by the same method, the membranes must agree to 1e-9 mV. NEST integrates AdEx and
Hodgkin-Huxley by an adaptive Runge-Kutta method: those rows say how far Euler's method is from it, and that a tenth of
the step brings it nearer tenfold; they match no digits. Run by ``crosscheck/environments.sh run``; writes
crosscheck/results.json. Names of simulators as arguments run theirs only.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
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


def learned(options: dict[str, Array]) -> dict[str, Any]:
    return {name: torch.from_numpy(values) for name, values in options.items()}


def row(neuron: str, model: str, variant: str, mine: Traces, theirs: Traces, **rest: Any) -> table.Row:
    """Make the row of ``model``, "NEST iaf_psc_exp" or the like; the fields of ``theirs`` are compared."""
    peer, _, name = model.partition(" ")
    fields = sorted(set(theirs) - {"spikes"})
    differences = {f: np.abs(mine[f] - theirs[f]) for f in fields}
    assert not any(np.isnan(d).any() for d in differences.values()), model
    v = mine["v"]
    row = table.Row(
        neuron=neuron,
        peer=peer,
        version=VERSIONS[peer],
        theirs=name,
        variant=variant,
        expected="1e-9",
        compared="membranes",
        parameter_sets=v.shape[1],
        steps=v.shape[0],
        neurons=v.shape[1],
        outputs_compared=v.size,
        outputs_not_zero=None,
        mismatches=int((differences["v"] > 1e-9).sum()),
        float32_mismatches=None,
        fields=tuple(fields),
        max_membrane_difference=table.digits(max(float(d.max()) for d in differences.values()), 2),
        membrane_low=table.digits(float(v.min()), 3),
        membrane_high=table.digits(float(v.max()), 3),
        median_excursion=table.digits(float(np.median(v.max(0) - v.min(0))), 3),
    )
    if "spikes" in theirs:
        wrong = int((mine["spikes"] != theirs["spikes"]).sum())
        row = replace(row, compared="spikes", outputs_not_zero=int(mine["spikes"].sum()), mismatches=wrong)
    return replace(row, **rest)


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


def nest_rows() -> list[table.Row]:
    random = np.random.default_rng(1)

    def draw(low: float, high: float) -> Array:
        return random.uniform(low, high, NEURONS)

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
        rows.append(row("PscExpLIF", "NEST iaf_psc_exp", words, mine, heard(seen)))

        jumps = random.normal(0.3, 1.0, (STEPS, NEURONS))
        jumps[0] = 0
        plain = {k: options[k] for k in ("tau_m", "v_rest", "t_ref", "v_th")}
        theirs = {k: v for k, v in theirs.items() if not k.startswith("tau_syn")} | {"I_e": np.zeros(NEURONS)}
        seen = nest_run("iaf_psc_delta", theirs, jumps, dt=0.1, fields={"v": "V_m"})
        mine = ours(RefractoryLIF(**learned(plain), decay_input=False, reset=reset), jumps, dt=0.1)
        rows.append(row("RefractoryLIF", "NEST iaf_psc_delta", words, mine, heard(seen)))
    return [*rows, nest_lif(draw), nest_izhikevich(draw), nest_adex(draw), nest_hodgkin_huxley(draw)]


def heard(seen: Traces) -> Traces:
    """Leave the spikes out where none was fired: there the membranes are what is compared."""
    return seen if seen["spikes"].any() else {name: values for name, values in seen.items() if name != "spikes"}


def nest_lif(draw: Callable[[float, float], Array]) -> table.Row:
    """Compare the exact LIF under constant currents: iaf_psc_delta with I_e, R I_e = tau_m / C_m I_e."""
    options = {"tau_m": draw(5, 30), "v_rest": draw(-75, -65), "v_th": np.full(NEURONS, 1e6)}
    drive, c_m = draw(0, 500), 250.0
    theirs = {"tau_m": options["tau_m"], "E_L": options["v_rest"], "V_m": options["v_rest"], "V_th": options["v_th"]}
    theirs |= {"C_m": np.full(NEURONS, c_m), "I_e": drive}
    seen = nest_run("iaf_psc_delta", theirs, np.zeros((STEPS, NEURONS)), dt=0.1, fields={"v": "V_m"})
    mine = ours(LIF(**learned(options)), np.tile(options["tau_m"] / c_m * drive, (STEPS, 1)), dt=0.1)
    return row("LIF", "NEST iaf_psc_delta", "I_e, sub-threshold", mine, heard(seen))


def nest_izhikevich(draw: Callable[[float, float], Array]) -> table.Row:
    """Compare Euler's method with u from the v before the step: Izhikevich2007, whose u is counted from b v_rest."""
    # Regularly spiking cells: bursting ones (c near -50, small d) are chaotic and multiply the last digit of v.
    options = {"a": draw(0.02, 0.04), "b": draw(0.15, 0.25), "d": draw(6, 9)}
    c, drive, dt = draw(-65, -60), draw(8, 16), 0.1
    slope = 5.0 - options["b"]
    v_rest = -(slope + np.sqrt(slope * slope - 22.4)) / 0.08
    theirs = options | {"c": c, "I_e": drive, "V_th": np.full(NEURONS, 30.0), "V_m": v_rest}
    theirs["U_m"] = options["b"] * v_rest
    silence = np.zeros((STEPS, NEURONS))
    seen = nest_run("izhikevich", theirs, silence, dt=dt, fields={"v": "V_m", "u": "U_m"})
    seen["u"] = seen["u"] - options["b"] * v_rest
    shape = {"c_m": np.ones(NEURONS), "k": np.full(NEURONS, 0.04), "v_rest": v_rest, "v_t": -125.0 - v_rest}
    neuron = Izhikevich2007(**learned(options | shape), v_peak=30.0, reset=ToValue(v_reset=torch.from_numpy(c)))
    mine = ours(neuron, np.tile(drive, (STEPS, 1)), dt=dt)
    return row("Izhikevich2007", "NEST izhikevich", "u counted from b v_rest, spiking", mine, heard(seen))


def nest_adex(draw: Callable[[float, float], Array]) -> table.Row:
    options = {"c_m": draw(200, 300), "g_l": draw(20, 40), "v_rest": draw(-75, -65), "v_t": draw(-52, -48)}
    options |= {"delta_t": draw(1, 3), "tau_w": draw(50, 200), "a": draw(0, 8), "b": draw(50, 100)}
    names = {"c_m": "C_m", "g_l": "g_L", "v_rest": "E_L", "v_t": "V_th", "delta_t": "Delta_T"}
    theirs = {names.get(k, k): v for k, v in options.items()} | {"V_m": options["v_rest"], "I_e": draw(0, 300)}
    theirs |= {k: np.full(NEURONS, v) for k, v in {"V_peak": 0.0, "w": 0.0, "gsl_error_tol": 1e-12}.items()}
    start = {"v": options["v_rest"], "w": 0.0}
    neuron, fields = AdEx(**learned(options)), {"v": "V_m", "w": "w"}
    return nest_adaptive(neuron, "aeif_psc_alpha", theirs, theirs["I_e"], fields, start)


def nest_hodgkin_huxley(draw: Callable[[float, float], Array]) -> table.Row:
    options = {"c_m": draw(0.9, 1.1), "g_na": draw(115, 125), "g_k": draw(35, 37), "g_l": draw(0.28, 0.32)}
    options |= {"e_na": draw(49, 51), "e_k": draw(-78, -76), "e_l": draw(-55, -54)}
    neuron = HodgkinHuxley(**learned(options))
    drive = draw(0, 1)  # more makes a spike at the onset
    scale = {"c_m": 100.0, "g_na": 100.0, "g_k": 100.0, "g_l": 100.0}  # ours for 1 cm2, there for 1e-4 cm2 in pF and nS
    names = {"g_na": "g_Na", "g_k": "g_K", "g_l": "g_L", "c_m": "C_m", "e_na": "E_Na", "e_k": "E_K", "e_l": "E_L"}
    theirs = {names[k]: v * scale.get(k, 1.0) for k, v in options.items()} | {"I_e": 100.0 * drive}
    start = {k: np.asarray(v) * np.ones(NEURONS) for k, v in neuron.rest()._asdict().items()}
    theirs |= {"Act_m": start["m"], "Inact_h": start["h"], "Act_n": start["n"], "V_m": start["v"]}
    return nest_adaptive(neuron, "hh_psc_alpha", theirs, drive, {"v": "V_m"}, start)


def nest_adaptive(
    neuron: Neuron, model: str, options: dict[str, Array], drive: Array, fields: dict[str, str], start: dict[str, Any]
) -> table.Row:
    """Compare Euler's method with NEST's adaptive Runge-Kutta, below threshold, at 0.01 and at 0.001 ms."""
    dt = 0.01
    seen = nest_run(model, options, np.zeros((STEPS, NEURONS)), dt=dt, fields=fields)
    assert not seen.pop("spikes").any(), model
    mine = ours(neuron, np.tile(drive, (STEPS, 1)), dt=dt, start=start)
    finer = ours(neuron, np.tile(drive, (10 * STEPS, 1)), dt=dt / 10, start=start)
    left = max(float(np.abs(finer[f][9::10] - seen[f]).max()) for f in fields)
    method = "Exponential Euler" if isinstance(neuron, HodgkinHuxley) else "Euler's method"
    note = (
        f"{method} at {dt:g} ms here, an adaptive Runge-Kutta-Fehlberg 4(5) there. At {dt / 10:g} ms the "
        f"largest difference is {left:.1e}."
    )
    name = type(neuron).__name__
    return row(name, f"NEST {model}", "sub-threshold", mine, seen, expected="another method", note=note)


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
CROSSING = {"threshold": "v >= v_th", "refractory": "v >= v_th"}  # a spike only where v was below before
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
    "HodgkinHuxley": (HodgkinHuxley, HH, "exponential_euler", 0.01, 20.0, CROSSING),
}  # fmt: skip


def brian_rows() -> list[table.Row]:
    random, rows = np.random.default_rng(2), []
    for name, (kind, equations, method, dt, largest, rule) in MODELS.items():
        # Parameters spread by 2 % around their defaults; inputs from none to well above threshold.
        defaults = {k: v for k, v in vars(kind()).items() if isinstance(v, float)}
        if kind is LIF:
            defaults["v_th"] = 1e6
        options = {k: v * random.uniform(0.98, 1.02, NEURONS) for k, v in defaults.items()}
        structure: Any = {"discretisation": "euler"} if name == "LIF, euler" else {}
        neuron: Any = kind(**learned(options), **structure)
        x, fields = np.linspace(0, largest, NEURONS), neuron.State._fields
        start = {k: np.asarray(v) * np.ones(NEURONS) for k, v in neuron.rest()._asdict().items()}
        theirs = {**options, **start, "x": x}
        if "reset" in rule:
            theirs["v_reset"] = np.full(NEURONS, neuron.reset.v_reset)
        seen = brian_run(equations, theirs, dt=dt, method=method, fields=fields, rule=rule)
        mine = ours(neuron, np.tile(x, (STEPS, 1)), dt=dt)
        words = "spiking" if rule else "sub-threshold"
        rows.append(row(kind.__name__, f"Brian2 {method}", words, mine, seen))
    return [*rows, brian_synapse(random)]


def brian_synapse(random: np.random.Generator) -> table.Row:
    """Compare the decay of one postsynaptic current, solved exactly by both."""

    def draw(low: float, high: float) -> Array:
        return random.uniform(low, high, NEURONS)

    options = {"tau_m": draw(5, 30), "tau_syn": draw(1, 4), "c_m": draw(100, 400), "v_rest": draw(-75, -65)}
    options["i_e"] = draw(0, 100)
    start = {"v": draw(-72, -60), "i": draw(-200, 500)}
    theirs = options | {"v": start["v"], "i_syn": start["i"]}  # i alone means the neuron's number there
    equations = "dv/dt = (v_rest - v)/(tau_m*ms) + (i_syn + i_e)/c_m/ms : 1\ndi_syn/dt = -i_syn/(tau_syn*ms) : 1"
    seen = brian_run(equations, theirs, dt=0.1, method="exact", fields=("v", "i_syn"), rule={})
    seen["i"] = seen.pop("i_syn")
    neuron = PscExpLIF(**learned(options), v_th=1e6)
    mine = ours(neuron, np.zeros((STEPS, NEURONS)), dt=0.1, start=start)
    return row("PscExpLIF", "Brian2 exact", "sub-threshold", mine, seen)


VERSIONS = {"NEST": version("nest-simulator"), "Brian2": version("brian2")}


def main() -> None:
    os.environ.setdefault("PYNEST_QUIET", "1")
    torch.set_num_threads(1)
    made = {"NEST": nest_rows, "Brian2": brian_rows}
    rows = [found for peer in sys.argv[1:] or made for found in made[peer]()]
    for found in rows:
        table.show(found)
    table.write(
        rows, peers={found.peer for found in rows}, packages={"torch": torch.__version__, "numpy": np.__version__}
    )


if __name__ == "__main__":
    main()
