"""Our neurons beside those of Norse 1.1.

Norse's LIF kin hear their input through a synapse. One with tau_syn = dt keeps nothing, and the neuron is the plain
one: that is how neurons without a synapse are compared.
"""

from collections.abc import Callable, Iterator
from typing import Any

import norse.torch.functional.iaf as norse_iaf
import norse.torch.functional.izhikevich as norse_izhikevich
import norse.torch.functional.leaky_integrator_box as norse_li_box
import norse.torch.functional.lif as norse_lif
import norse.torch.functional.lif_adex as norse_lif_adex
import norse.torch.functional.lif_box as norse_lif_box
import norse.torch.functional.lif_ex as norse_lif_ex
import norse.torch.functional.lif_refrac as norse_lif_refrac
import norse.torch.functional.lsnn as norse_lsnn
import norse.torch.functional.reset as norse_reset
import torch
from case import Case, Draw, Run, Traces
from torch import Tensor

from ranvier.core.reset import ToValue
from ranvier.neurons import (
    ALIF,
    EIF,
    IF,
    LIF,
    AdEx,
    Izhikevich2007,
    LeakyIntegrator,
    RefractoryLIF,
    SynapticALIF,
    SynapticLIF,
)

NO_SYNAPSE = {"tau_syn_inv": 1000.0}  # dt = 0.001 s


def traces(step: Callable[..., Any], state: Any, parameters: Any) -> Run:
    def run(x: Tensor) -> Traces:
        held = filled(state, x[0])
        outputs = []
        for value in x:
            output, held = step(value, held, parameters, dt=0.001)
            outputs.append((output, held.v if hasattr(held, "v") else held.lif.v))
        return torch.stack([o[0] for o in outputs]), torch.stack([o[1] for o in outputs])

    return run


def filled(state: Any, like: Tensor) -> Any:
    """Make a state of tensors from one of numbers, which may hold another state."""
    if isinstance(state, tuple):
        return type(state)(*(filled(value, like) for value in state))
    return torch.full_like(like, float(state))


def tensors(kind: Any, dtype: torch.dtype, options: dict[str, float], **rest: Any) -> Any:
    return kind(**{k: torch.tensor(v, dtype=dtype) for k, v in options.items()}, **rest)


def membrane(draw: Draw) -> dict[str, float]:
    options = {"tau_mem_inv": draw(50, 500), "v_leak": draw(-0.2, 0.2), "v_th": draw(0.4, 0.9)}
    return options | {"v_reset": draw(-0.3, 0.3)}


def iaf(draw: Draw, dtype: torch.dtype) -> Any:
    options = {"v_th": draw(0.5, 2), "v_reset": draw(-0.5, 0.3)}
    start: Any = norse_iaf.IAFFeedForwardState(v=options["v_reset"])
    parameters = tensors(norse_iaf.IAFParameters, dtype, options)
    return IF.like_norse(**options), traces(norse_iaf.iaf_feed_forward_step, start, parameters)


def box(draw: Draw, dtype: torch.dtype, method: Any) -> Any:
    options: Any = membrane(draw)
    if method == "subtract":
        del options["v_reset"]
    reset = norse_reset.reset_value if method == "value" else norse_reset.reset_subtract
    parameters = tensors(norse_lif_box.LIFBoxParameters, dtype, options, reset_method=reset)
    start: Any = norse_lif_box.LIFBoxFeedForwardState(v=options["v_leak"])
    step = norse_lif_box.lif_box_feed_forward_step
    return LIF.like_norse(**options, reset_method=method), traces(step, start, parameters)


def lif(draw: Draw, dtype: torch.dtype) -> Any:
    options = membrane(draw) | {"tau_syn_inv": draw(50, 800)}
    start: Any = norse_lif.LIFFeedForwardState(v=options["v_leak"], i=0.0)
    parameters = tensors(norse_lif.LIFParameters, dtype, options)
    return SynapticLIF.like_norse(**options), traces(norse_lif.lif_feed_forward_step, start, parameters)


def refractory(draw: Draw, dtype: torch.dtype) -> Any:
    options: Any = membrane(draw)
    steps = float(int(draw(1, 9)))
    inner = tensors(norse_lif.LIFParameters, dtype, options | NO_SYNAPSE)
    parameters = norse_lif_refrac.LIFRefracParameters(lif=inner, rho_reset=torch.tensor(steps, dtype=dtype))
    rest: Any = norse_lif.LIFFeedForwardState(v=options["v_leak"], i=0.0)
    start: Any = norse_lif_refrac.LIFRefracFeedForwardState(lif=rest, rho=0.0)
    same = LIF.like_norse(**options)
    neuron = RefractoryLIF(
        tau_m=same.tau_m, t_ref=steps, v_th=same.v_th, v_rest=same.v_rest, discretisation="euler", reset=same.reset,
        strict=True,
    )  # fmt: skip
    return neuron, traces(norse_lif_refrac.lif_refrac_feed_forward_step, start, parameters)


def lsnn_options(draw: Draw) -> dict[str, float]:
    return membrane(draw) | {"tau_adapt_inv": draw(2, 50), "beta": draw(0.05, 0.5)}


def lsnn(draw: Draw, dtype: torch.dtype) -> Any:
    options = lsnn_options(draw) | {"tau_syn_inv": draw(50, 800)}
    start: Any = norse_lsnn.LSNNFeedForwardState(v=options["v_leak"], i=0.0, b=options["v_th"])
    parameters = tensors(norse_lsnn.LSNNParameters, dtype, options)
    return SynapticALIF.like_norse(**options), traces(norse_lsnn.lsnn_feed_forward_step, start, parameters)


def alif(draw: Draw, dtype: torch.dtype) -> Any:
    # In the LSNN the membrane hears the synapse one step late.
    options = lsnn_options(draw)
    start: Any = norse_lsnn.LSNNFeedForwardState(v=options["v_leak"], i=0.0, b=options["v_th"])
    parameters = tensors(norse_lsnn.LSNNParameters, dtype, options | NO_SYNAPSE)
    late = traces(norse_lsnn.lsnn_feed_forward_step, start, parameters)

    def run(x: Tensor) -> Traces:
        output, v = late(torch.cat([x, torch.zeros_like(x[:1])]))
        return output[1:], v[1:]

    same = SynapticALIF.like_norse(**options)
    p = 1.0 - 1.0 / same.tau_a
    neuron = ALIF(
        tau_m=same.tau_m, tau_a=same.tau_a, beta=same.beta * p, v_th=same.v_th, v_rest=same.v_rest,
        discretisation="euler", reset=same.reset, strict=True,
    )  # fmt: skip
    return neuron, run


def exponential(draw: Draw) -> dict[str, float]:
    options = {"tau_mem_inv": draw(50, 400), "v_leak": draw(-0.1, 0.1), "v_th": draw(0.8, 1.2)}
    return options | {"delta_T": draw(0.2, 0.5), "v_reset": draw(-0.3, 0.1)}


def eif(draw: Draw, dtype: torch.dtype) -> Any:
    options = exponential(draw)
    neuron = EIF(
        tau_m=1000.0 / options["tau_mem_inv"], v_rest=options["v_leak"], v_t=options["v_th"], v_peak=options["v_th"],
        delta_t=options["delta_T"], reset=ToValue(v_reset=options["v_reset"]), strict=True,
    )  # fmt: skip
    start: Any = norse_lif_ex.LIFExFeedForwardState(v=neuron.rest().v, i=0.0)
    parameters = tensors(norse_lif_ex.LIFExParameters, dtype, options | NO_SYNAPSE)
    return neuron, traces(norse_lif_ex.lif_ex_feed_forward_step, start, parameters)


def adex(draw: Draw, dtype: torch.dtype) -> Any:
    options = exponential(draw) | {"adaptation_current": draw(0.05, 0.3), "adaptation_spike": draw(0.02, 0.2)}
    options["tau_ada_inv"] = draw(5, 100)
    neuron = AdEx(
        c_m=1000.0 / options["tau_mem_inv"], g_l=1.0, v_rest=options["v_leak"], v_t=options["v_th"],
        v_peak=options["v_th"], delta_t=options["delta_T"], tau_w=1000.0 / options["tau_ada_inv"],
        a=options["adaptation_current"], b=options["adaptation_spike"], reset=ToValue(v_reset=options["v_reset"]),
        strict=True,
    )  # fmt: skip
    rest = neuron.rest()
    start: Any = norse_lif_adex.LIFAdExFeedForwardState(v=rest.v, i=0.0, a=rest.w)
    parameters = tensors(norse_lif_adex.LIFAdExParameters, dtype, options | NO_SYNAPSE)
    return neuron, traces(norse_lif_adex.lif_adex_feed_forward_step, start, parameters)


def izhikevich(draw: Draw, dtype: torch.dtype) -> Any:
    # Euler's method, u from the v before the step: Izhikevich2007, whose u is counted from b v_rest.
    # Regularly spiking cells: bursting ones (c near -50, small d) are chaotic and multiply the last digit of v.
    options = {"a": draw(0.02, 0.04), "b": draw(0.15, 0.25), "c": draw(-65, -60), "d": draw(6, 9)}
    share = draw(0.1, 0.25)  # of 1 ms, in one step
    slope = 5.0 - options["b"]
    v_rest = -(slope + (slope * slope - 22.4) ** 0.5) / 0.08
    neuron = Izhikevich2007(
        c_m=1.0 / share, k=0.04, v_rest=v_rest, v_t=-125.0 - v_rest, a=share * options["a"], b=options["b"],
        d=options["d"], v_peak=30.0, reset=ToValue(v_reset=options["c"]), strict=True,
    )  # fmt: skip
    parameters = norse_izhikevich.IzhikevichParameters(**options, tau_inv=1000.0 * share)
    start: Any = norse_izhikevich.IzhikevichState(v=v_rest, u=options["b"] * v_rest)
    return neuron, traces(norse_izhikevich.izhikevich_feed_forward_step, start, parameters)


def li(draw: Draw, dtype: torch.dtype) -> Any:
    options = {"tau_mem_inv": draw(50, 500), "v_leak": draw(-0.2, 0.2)}
    start: Any = norse_li_box.LIBoxState(v=options["v_leak"])
    parameters = tensors(norse_li_box.LIBoxParameters, dtype, options)
    return LeakyIntegrator.like_norse(**options), traces(norse_li_box.li_box_feed_forward_step, start, parameters)


def cases() -> Iterator[Case]:
    by_value, by_subtraction = (lambda d, t: box(d, t, "value")), (lambda d, t: box(d, t, "subtract"))
    yield Case(neuron="IF", theirs="IAF", variant="hard reset", make=iaf)
    yield Case(neuron="LIF", theirs="LIFBox", variant="reset_value", make=by_value, high=2.5)
    yield Case(neuron="LIF", theirs="LIFBox", variant="reset_subtract", make=by_subtraction, high=2.5)
    yield Case(neuron="SynapticLIF", theirs="LIF", variant="hard reset", make=lif, high=1.0)
    yield Case(neuron="SynapticALIF", theirs="LSNN", variant="hard reset", make=lsnn)
    yield Case(neuron="ALIF", theirs="LSNN", variant="tau_syn = dt, one step late", make=alif, high=3.0)
    yield Case(neuron="RefractoryLIF", theirs="LIFRefrac", variant="tau_syn = dt", make=refractory, high=3.0)
    yield Case(neuron="EIF", theirs="LIFEx", variant="tau_syn = dt", make=eif, high=3.0)
    yield Case(neuron="AdEx", theirs="LIFAdEx", variant="tau_syn = dt", make=adex, high=4.0)
    yield Case(
        neuron="Izhikevich2007", theirs="Izhikevich", variant="u counted from b v_rest", make=izhikevich,
        low=-5.0, high=30.0,
    )  # fmt: skip
    yield Case(neuron="LeakyIntegrator", theirs="LIBox", variant="read-out", make=li, fires=False)
