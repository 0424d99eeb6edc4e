"""Run a program once in plain torch: the meaning of every instruction, and the oracle of the other executors."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ranvier.core.program import TRUTHS, Program

MEANING: Mapping[str, Callable[..., Tensor]] = {
    "neg": torch.neg, "abs": torch.abs, "sign": torch.sign, "floor": torch.floor, "round": torch.round,
    "exp": torch.exp, "expm1": torch.expm1, "log": torch.log, "log1p": torch.log1p, "sqrt": torch.sqrt,
    "sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "atan": torch.atan,
    "erf": torch.erf, "not": lambda a: 1 - a,
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "pow": torch.pow,
    "min": torch.minimum, "max": torch.maximum,
    "gt": torch.gt, "ge": torch.ge, "lt": torch.lt, "le": torch.le, "eq": torch.eq, "ne": torch.ne,
    "and": lambda a, b: a * b, "or": torch.maximum,
    "where": lambda c, a, b: torch.where(c != 0, a, b),
}  # fmt: skip


def evaluate(program: Program, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Compute the outputs of a program; differentiable by autograd (spikes have no derivative here).

    Args: inputs: a tensor for each input, of shapes that broadcast and one floating type.
    Returns: the outputs by name.
    """
    values = [inputs[name] for name in program.inputs]
    like = next(iter(values))
    for i in program.body:
        if i.op == "const":
            values.append(torch.full((), i.constant, dtype=like.dtype, device=like.device))
            continue
        value = MEANING[i.op](*(values[a] for a in i.args))
        values.append(value.to(like.dtype) if i.op in TRUTHS else value)
    return {name: values[number] for name, number in program.outputs}
