"""What a layer or network accepts as a sequence: checked once, at the edge. Axes: T time, B batch."""

import torch
from torch import Tensor, nn

from ranvier.core.errors import DtypeError, NonFiniteError, ShapeError
from ranvier.kernels.packed import PackedSpikes


def check_sequence(where: str, x_TB: Tensor, *, integers: bool = False) -> None:
    """Refuse what is no sequence: not (T, B, ...), without time steps, or not floating.

    Args: where: named in the errors. integers: whether whole numbers are welcome, as indices of an embedding are.
    Raises: ShapeError, DtypeError.
    """
    if not isinstance(x_TB, Tensor):
        raise DtypeError(where, expected="a tensor (T, B, ...)", got=f"a {type(x_TB).__name__}")
    shape = tuple(x_TB.shape)
    if x_TB.ndim < 2:
        mend = "A batch of one is x.unsqueeze(1)."
        raise ShapeError(where, expected="an input (T, B, ...) with at least 2 axes", got=str(shape), mend=mend)
    if x_TB.shape[0] == 0:
        raise ShapeError(where, expected="at least one time step", got=f"an empty sequence of shape {shape}")
    if not (x_TB.is_floating_point() or (integers and not x_TB.is_complex())):
        raise DtypeError(where, expected="a floating input", got=str(x_TB.dtype), mend="Convert it by .float().")


def check_finite(where: str, x_TB: Tensor) -> None:
    """Refuse NaN and infinity in a tensor in main memory; others are not read, which would wait for the device.

    Raises: NonFiniteError that says how many values are at fault and where the first is.
    """
    if isinstance(x_TB, PackedSpikes):
        return
    if x_TB.device.type != "cpu" or not x_TB.is_floating_point() or bool(torch.isfinite(x_TB.sum())):
        return
    bad = ~torch.isfinite(x_TB)  # the sum of finite numbers may overflow, so it proves nothing by itself
    count = int(bad.sum())
    if count:
        first = tuple(int(i) for i in bad.nonzero()[0])
        got = f"{count} of {x_TB.numel()} values that are NaN or infinite, the first at index {first}: {x_TB[first]:g}"
        raise NonFiniteError(where, expected="finite numbers", got=got)


def bytes_as_spikes(x_TB: Tensor, net: nn.Module) -> Tensor:
    """Read an input of uint8 or bool as spikes of the type of the network's weights; others stay as they are."""
    if not isinstance(x_TB, Tensor) or x_TB.dtype not in (torch.uint8, torch.bool):
        return x_TB
    weight = next((p for p in net.parameters() if p.is_floating_point()), None)
    return PackedSpikes.of_bytes(x_TB, torch.get_default_dtype() if weight is None else weight.dtype)
