"""Size of a network: parameters per layer, footprint, connection sparsity.

Source: NeuroBench, Yik et al. 2025, Nature Communications 16:1545, static metrics.
"""

from collections.abc import Iterator

from torch import Tensor, nn

WEIGHTED = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip
_CELLS = (nn.RNNBase, nn.RNNCellBase)


def parameters(net: nn.Module) -> dict[str, int]:
    """Count the parameters that each layer owns itself, by module path ("" is the network); shared ones count once."""
    seen: set[int] = set()
    found: dict[str, int] = {}
    for path, module in net.named_modules():
        own = [p for p in module.parameters(recurse=False) if id(p) not in seen]
        seen.update(map(id, own))
        if own:
            found[path] = sum(p.numel() for p in own)
    return found


def footprint(net: nn.Module) -> int:
    """Count the bytes of all parameters and buffers; zeros count."""
    return sum(t.numel() * t.element_size() for t in {id(t): t for t in _tensors(net)}.values())


def _tensors(net: nn.Module) -> Iterator[Tensor]:
    yield from net.parameters()
    yield from net.buffers()


def connection_sparsity(net: nn.Module) -> float:
    """Return the share of weights that are exactly 0, over linear, convolutional and recurrent layers.

    Biases count for recurrent layers only, as NeuroBench has it. 0 for a network without such layers.
    """
    weights: dict[int, Tensor] = {}
    for module in net.modules():
        if isinstance(module, WEIGHTED):
            weights[id(module.weight)] = module.weight
        elif isinstance(module, _CELLS):
            weights.update((id(p), p) for p in module.parameters(recurse=False))
    total = sum(w.numel() for w in weights.values())
    zeros = sum(int((w == 0).sum()) for w in weights.values())
    return zeros / total if total else 0.0
