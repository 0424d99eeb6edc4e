"""Pair-based spike-timing-dependent plasticity. Source: Morrison, Diesmann and Gerstner 2008, Biol. Cybern. 98:459.

Letters: T time, B batch, N neurons in, M neurons out.
"""

import math
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.params import require, require_positive
from ranvier.core.rule import Evaluation, Loss, Rule
from ranvier.core.units import Ms, Param

Kind = TypeVar("Kind", bound=nn.Module)


class STDP(Rule):
    """STDP of linear layers, from the spikes before and after them; all other parameters learn by back-propagation.

    With traces x (of inputs) and y (of outputs) over all earlier spikes, read before this step's spikes are added::

        dw_mn = a_plus x_n S_m - a_minus y_m S_n        summed over time, averaged over the batch
        x[t+1] = (x[t] + S_n[t]) exp(-dt / tau_plus)    y[t+1] = (y[t] + S_m[t]) exp(-dt / tau_minus)

    An input and an output in the same step do not pair. "soft" bounds scale potentiation by w_max - w and depression by
    w; "hard" bounds drop what would push a weight further out that is at 0 or w_max already. ``.grad`` receives -dw, so
    that plain gradient descent with learning rate 1 applies the rule; adaptive optimisers would rescale it.

    Args:
        synapses: names of ``nn.Linear`` layers in the network. neurons: for each, the layer whose output spikes answer
            it. tau_plus, tau_minus: ms. a_plus, a_minus: sizes. dt: ms. bounds, w_max: see above.
    Source: eq. 2 to 4 (all pairs), section 4.1.3 (bounds).
    """

    synapses: tuple[str, ...] = ("linear",)
    neurons: tuple[str, ...] = ("lif",)
    tau_plus: Ms = 20.0
    tau_minus: Ms = 20.0
    a_plus: Param = 0.01
    a_minus: Param = 0.012
    dt: Ms = 1.0
    bounds: Literal["soft", "hard"] = "hard"
    w_max: Param = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_plus", "tau_minus", "dt", "w_max")
        require(self, "bounds", self.bounds in ("soft", "hard"), '"soft" or "hard"')
        require(self, "neurons", len(self.neurons) == len(self.synapses) > 0, "one name for each of synapses")

    def accumulate(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Evaluation:
        """Add ``scale`` times -dw, and the loss's gradient elsewhere, to ``.grad``; see ``Rule.accumulate``.

        Raises: ConfigError for a name that is no layer of the right kind; ShapeError if the loss is no scalar.
        """
        pairs = [
            (_layer(net, synapse, nn.Linear), _layer(net, neuron, nn.Module))
            for synapse, neuron in zip(self.synapses, self.neurons, strict=True)
        ]
        plastic = {id(linear.weight) for linear, _ in pairs}
        seen: dict[nn.Module, Tensor] = {}

        def before(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            seen[module] = args[0].detach()

        def after(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
            seen[module] = output.detach()

        handles = [linear.register_forward_pre_hook(before) for linear, _ in pairs]
        handles += [neuron.register_forward_hook(after) for _, neuron in pairs]
        try:
            outputs = net(inputs)
        finally:
            for handle in handles:
                handle.remove()
        value = loss(outputs, targets)
        if value.ndim:
            raise ShapeError("STDP", expected="a loss that is a scalar", got=f"shape {tuple(value.shape)}")
        others = [p for p in net.parameters() if p.requires_grad and id(p) not in plastic]
        if others and value.requires_grad:
            grads = torch.autograd.grad(value * scale, others, allow_unused=True)
            for parameter, grad in zip(others, grads, strict=True):
                _add(parameter, grad)
        for linear, neuron in pairs:
            post_TBM = seen[neuron]
            pre_TBN = seen[linear].reshape(*post_TBM.shape[:2], -1)
            _add(linear.weight, -scale * self.change(pre_TBN, post_TBM, linear.weight.detach()))
        return Evaluation(loss=value.detach(), outputs=outputs.detach())

    def change(self, pre_TBN: Tensor, post_TBM: Tensor, weight_MN: Tensor) -> Tensor:
        """Compute dw (M, N) of spikes before and after a layer."""
        plus, minus = math.exp(-self.dt / self.tau_plus), math.exp(-self.dt / self.tau_minus)
        x_BN, y_BM = torch.zeros_like(pre_TBN[0]), torch.zeros_like(post_TBM[0])
        up_MN, down_MN = torch.zeros_like(weight_MN), torch.zeros_like(weight_MN)
        for pre_BN, post_BM in zip(pre_TBN, post_TBM, strict=True):
            up_MN += post_BM.T @ x_BN
            down_MN += y_BM.T @ pre_BN
            x_BN, y_BM = (x_BN + pre_BN) * plus, (y_BM + post_BM) * minus
        up_MN *= self.a_plus / pre_TBN.shape[1]
        down_MN *= self.a_minus / pre_TBN.shape[1]
        if self.bounds == "soft":
            return up_MN * (self.w_max - weight_MN) - down_MN * weight_MN
        change_MN = up_MN - down_MN
        outside = ((weight_MN >= self.w_max) & (change_MN > 0)) | ((weight_MN <= 0) & (change_MN < 0))
        return change_MN.masked_fill(outside, 0.0)


def _layer(net: nn.Module, name: str, kind: type[Kind]) -> Kind:
    found = dict(net.named_modules()).get(name)
    if not isinstance(found, kind):
        known = ", ".join(path for path, module in net.named_modules() if path and isinstance(module, kind))
        got = f"{name!r}, which is {'absent' if found is None else 'a ' + type(found).__name__}"
        raise ConfigError("STDP", expected=f"the name of a {kind.__name__} of the network ({known})", got=got)
    return found


def _add(parameter: Tensor, grad: Tensor | None) -> None:
    if grad is not None:
        parameter.grad = grad.clone() if parameter.grad is None else parameter.grad + grad
