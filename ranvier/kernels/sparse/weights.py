"""Weights as rows, one for each input (and kernel place), in float32, bfloat16 or int8. Axes: N inputs, M outputs."""

from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

Precision = Literal["float32", "bfloat16", "int8"]
PAD = 16  # numbers; rows are padded so that the widest registers read whole ones
_LARGEST = 127


class Rows:
    """Rows of weights whose sums, times ``scale`` if there is one, plus ``bias`` are the outputs.

    int8 weights are symmetric with a scale for each output: w is about q * scale, |q| <= 127, scale = max |w| / 127.

    Args: weight_NM: float32; row n is what an event at input n adds. bias_M: or None. channels: outputs in all, where
        the M of a row are those of one of several groups; then scale and bias have that many.
    """

    def __init__(
        self, weight_NM: Tensor, bias_M: Tensor | None, precision: Precision, *, groups: int = 1,
        group_of_row: Tensor | None = None,
    ) -> None:  # fmt: skip
        self.precision, self.groups = precision, groups
        self.group_of_row = group_of_row
        self.outputs = weight_NM.shape[1]
        channels = self.outputs * groups
        self.scale: Tensor | None = None
        if precision == "int8":
            scale_M, weight_NM = self._quantised(weight_NM)
            self.scale = pad(scale_M.reshape(channels))
            bias_M = torch.zeros(channels) if bias_M is None else bias_M
        dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.int8}[precision]
        self.data = (pad(weight_NM) if groups == 1 else weight_NM).to(dtype).contiguous()
        self.bias = None if bias_M is None else pad(bias_M.float())

    def _quantised(self, weight_NM: Tensor) -> tuple[Tensor, Tensor]:
        if self.group_of_row is None:
            largest = weight_NM.abs().amax(0, keepdim=True)
            group_N = torch.zeros(len(weight_NM), dtype=torch.int64)
        else:
            group_N = self.group_of_row
            index = group_N.unsqueeze(1).expand_as(weight_NM)
            largest = torch.zeros(self.groups, self.outputs).scatter_reduce_(0, index, weight_NM.abs(), "amax")
        scale_GM = torch.where(largest > 0, largest / _LARGEST, torch.ones_like(largest))
        rounded = (weight_NM / scale_GM[group_N]).round()
        return scale_GM, rounded.clamp(-_LARGEST, _LARGEST)

    @cached_property
    def values(self) -> Tensor:
        """The weights as the sums see them, float32 (N, M): what a dense product multiplies with."""
        values_NM = self.data[:, : self.outputs].float()
        if self.scale is None:
            return values_NM
        scale_GM = self.scale[: self.groups * self.outputs].reshape(self.groups, self.outputs)
        group_N = self.group_of_row
        return values_NM * (scale_GM if group_N is None else scale_GM[group_N])

    @property
    def used_bytes(self) -> int:
        """Bytes of weights, scales and biases, without padding."""
        numbers = self.outputs * self.groups * ((self.scale is not None) + (self.bias is not None))
        return self.data[:, : self.outputs].numel() * self.data.element_size() + 4 * numbers

    @property
    def nbytes(self) -> int:
        """Bytes of the weights alone."""
        return self.data.nbytes


def pad(x: Tensor) -> Tensor:
    """Append zeros to the last axis up to a multiple of PAD."""
    return torch.nn.functional.pad(x, (0, -x.shape[-1] % PAD)).contiguous()
