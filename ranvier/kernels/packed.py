"""Spikes in little memory: bits or bytes inside, a tensor like any other outside. N numbers."""

from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ranvier.core.errors import ConfigError, DtypeError, UnknownNameError
from ranvier.kernels import bits
from ranvier.kernels.cpu import direct

Form = Literal["dense", "bits", "uint8"]
Packing = Literal["bits", "uint8"]

_COPIES = (torch.ops.aten.clone.default, torch.ops.aten._to_copy.default, torch.ops.aten._unsafe_view.default)
_MEND = {
    "bits": '"uint8" holds whole numbers from 0 to 255, "dense" any number.',
    "uint8": '"dense" holds any number.',
}
_HOLDS = {"bits": "zeros and ones", "uint8": "whole numbers from 0 to 255"}


class PackedSpikes(Tensor):
    """Spikes kept as bits or bytes, a tensor of a floating type to all who read it.

    ======  ===========================  ==================
    form    numbers it holds             bytes a number
    ======  ===========================  ==================
    bits    0 and 1                      1/8
    uint8   whole numbers from 0 to 255  1
    ======  ===========================  ==================

    Every operation and layer of torch takes it. Views, copies and casts to other floating types are packed again; any
    other operation unpacks it for as long as it takes and gives plain tensors. What autograd keeps of it for the
    backward pass (the input of a convolution, of a pooling) stays packed. Gradients are plain tensors and those of
    the dense spikes, to the last bit. ``dense()`` gives the plain tensor, ``PackedSpikes.of(x)`` packs one.

    Attributes: form. codes: uint8, the numbers in the order in which they lie in memory; of "bits", number 8 n + k is
    bit k of byte n. shape, stride(), dtype: of the tensor that it stands for.

    It cannot be written to: an operation in place raises.
    """

    codes: Tensor
    form: Packing
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment] # as torch says to do

    @staticmethod
    def __new__(
        cls, codes: Tensor, form: Packing, shape: tuple[int, ...], strides: tuple[int, ...], dtype: torch.dtype
    ) -> "PackedSpikes":
        """Stand for a tensor without gaps of this shape, strides and type."""
        made: PackedSpikes = Tensor._make_wrapper_subclass(
            cls, shape, strides=strides, dtype=dtype, device=codes.device
        )
        made.codes, made.form = codes, form
        return made

    def __init__(self, *_: Any) -> None:
        super().__init__()

    @staticmethod
    def of(x: Tensor, form: Packing = "bits", *, where: str = "PackedSpikes") -> "PackedSpikes":
        """Pack spikes of a floating type; gradients pass as they are.

        Args: where: named in errors.
        Raises: ConfigError for numbers that the form does not hold; DtypeError for tensors of other types.
        """
        checked_form(where, form, get_args(Packing))
        if not x.is_floating_point():
            raise DtypeError(where, expected="a floating tensor", got=str(x.dtype), mend="Convert it by .float().")
        try:
            packed: PackedSpikes = _Pack.apply(x, form)  # type: ignore[no-untyped-call]
        except _OthersError:
            raise _others(where, form) from None
        return packed

    @staticmethod
    def of_bytes(x: Tensor, dtype: torch.dtype) -> "PackedSpikes":
        """Keep an input of type uint8 or bool as it is, and stand for the same numbers in a floating type."""
        codes = x.to(torch.uint8, copy=True)  # a copy, so that the caller may fill x anew before the backward pass
        codes = codes if _no_gaps(codes) else codes.contiguous()
        return PackedSpikes(codes.as_strided((x.numel(),), (1,)), "uint8", codes.shape, codes.stride(), dtype)

    def dense(self) -> Tensor:
        """Return the plain tensor that it stands for; gradients pass as they are."""
        plain: Tensor = _Unpack.apply(self)  # type: ignore[no-untyped-call]
        return plain

    @property
    def nbytes(self) -> int:  # type: ignore[override] # torch's stubs take it for an attribute
        """Memory it takes, in bytes."""
        return self.codes.nbytes

    def numpy(self, *, force: bool = False) -> Any:
        """Return the dense spikes as an array."""
        return self.dense().numpy(force=force)

    def tolist(self) -> Any:
        """Return the dense spikes as numbers in lists."""
        return self.dense().tolist()

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override] # torch's is not typed
        kind = str(self.dtype).removeprefix("torch.")
        return f"PackedSpikes({self.form}, shape={tuple(self.shape)}, dtype={kind}, nbytes={self.nbytes})"

    def __deepcopy__(self, memo: dict[int, Any]) -> "PackedSpikes":
        # What it holds is never written to, so a copy may share it.
        copied = self.detach()
        memo[id(self)] = copied
        return copied.requires_grad_(self.requires_grad)  # type: ignore[return-value]

    def __tensor_flatten__(self) -> tuple[list[str], Any]:
        return ["codes"], (self.form, self.dtype)

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], about: Any, shape: Any, strides: Any) -> "PackedSpikes":
        form, dtype = about
        return PackedSpikes(inner["codes"], form, shape, strides, dtype)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override] # torch's is a placeholder
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        _refuse_writing(func, args, kwargs)
        again = isinstance(args[0] if args else None, PackedSpikes) and (func.is_view or func in _COPIES)
        if again:
            shared = _share(func, args, kwargs)
            if shared is not None:
                return shared
        found = func(*tree_map(_plain, args), **tree_map(_plain, kwargs))
        if not again:
            return found
        form = args[0].form
        return tree_map(lambda x: _again(x, form), found)


def checked_form(where: str, form: str, known: tuple[str, ...] = get_args(Form)) -> Any:
    """Refuse an unknown form of spikes.

    Raises: UnknownNameError.
    """
    if form not in known:
        raise UnknownNameError.among(f"{where}.spikes", str(form), known, kind="form")
    return form


def handed_on(spikes: Tensor, form: Form, *, where: str) -> Tensor:
    """Return spikes in the form in which a layer hands them on; what is compiled or exported hands them on dense.

    A compiler chooses by itself what it keeps for the backward pass, and chooses what comes out of ``unpack``: packing
    would gain nothing there.

    Raises: ConfigError, as ``PackedSpikes.of``.
    """
    if form == "dense" or torch.compiler.is_compiling():
        return spikes
    return PackedSpikes.of(spikes, form, where=where)


def pack(x: Tensor, form: Packing) -> PackedSpikes | None:
    """Pack a floating tensor; None if it lies with gaps or holds numbers that the form does not.

    Looking stops at the first other number, so asking costs little.
    """
    if x.layout != torch.strided or not x.is_floating_point() or not _no_gaps(x):
        return None
    x_N = x.detach().as_strided((x.numel(),), (1,))
    codes = _codes(x_N, form)
    return None if codes is None else PackedSpikes(codes, form, x.shape, x.stride(), x.dtype)


class _OthersError(ValueError):
    """There are numbers that the form does not hold."""


def _others(where: str, form: str) -> ConfigError:
    return ConfigError(where, expected=_HOLDS[form], got="other numbers", mend=_MEND[form])


class _Pack(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Tensor, form: Packing) -> Tensor:
        if isinstance(x, PackedSpikes):
            x = _plain(x)
        x = x if _no_gaps(x) else x.clone()
        x_N = x.as_strided((x.numel(),), (1,))
        codes = _codes(x_N, form) if direct.applies(x_N) else torch.ops.ranvier.pack(x_N, form)
        if codes is None:
            raise _OthersError
        return PackedSpikes(codes, form, x.shape, x.stride(), x.dtype)

    @staticmethod
    def backward(_: Any, grad: Tensor) -> Any:
        return grad, None


class _Unpack(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, packed: PackedSpikes) -> Tensor:
        plain: Tensor = _plain(packed)
        return plain

    @staticmethod
    def backward(_: Any, grad: Tensor) -> Tensor:
        return grad


def _codes(x_N: Tensor, form: Packing) -> Tensor | None:
    if form == "bits":
        return bits.pack(x_N)
    codes = x_N.clamp(0, 255).to(torch.uint8)  # NaN becomes some number, which it does not equal
    return codes if torch.equal(codes.to(x_N.dtype), x_N) else None


def _numbers(codes: Tensor, form: Packing, numbers: int, dtype: torch.dtype) -> Tensor:
    return bits.unpack(codes, numbers, dtype) if form == "bits" else codes.to(dtype)


@torch.library.custom_op("ranvier::pack", mutates_args=())
def _pack_operator(x_N: Tensor, form: str) -> Tensor:
    codes = _codes(x_N, form)  # type: ignore[arg-type]
    if codes is None:
        raise _others("PackedSpikes", form)
    return codes


@_pack_operator.register_fake
def _(x_N: Tensor, form: str) -> Tensor:
    numbers = x_N.numel()
    return x_N.new_empty(((numbers + 7) // 8 if form == "bits" else numbers,), dtype=torch.uint8)


@torch.library.custom_op("ranvier::unpack", mutates_args=())
def _unpack_operator(codes: Tensor, form: str, numbers: int, dtype: torch.dtype) -> Tensor:
    return _numbers(codes, form, numbers, dtype)  # type: ignore[arg-type]


@_unpack_operator.register_fake
def _(codes: Tensor, form: str, numbers: int, dtype: torch.dtype) -> Tensor:  # noqa: ARG001
    return codes.new_empty((numbers,), dtype=dtype)


def _plain(x: Any) -> Any:
    if not isinstance(x, PackedSpikes):
        return x
    unpacked = _numbers if direct.applies(x.codes) else torch.ops.ranvier.unpack
    return unpacked(x.codes, x.form, x.numel(), x.dtype).as_strided(x.shape, x.stride())


def _again(x: Any, form: Packing) -> Any:
    """Pack what a view of packed spikes gave."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        return x
    x = x if _no_gaps(x) else x.clone()
    x_N = x.as_strided((x.numel(),), (1,))
    codes = _codes(x_N, form) if direct.applies(x_N) else torch.ops.ranvier.pack(x_N, form)
    return x if codes is None else PackedSpikes(codes, form, x.shape, x.stride(), x.dtype)


def _share(func: Any, args: Any, kwargs: Any) -> PackedSpikes | None:
    """Let a view or copy that keeps every number in its place share the codes; None if it does not keep them."""
    x = args[0]
    device = kwargs.get("device") or x.device
    like = torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")
    without = {name: value for name, value in kwargs.items() if name not in ("device", "non_blocking", "pin_memory")}
    moved = func(like, *args[1:], **without)
    if not isinstance(moved, Tensor) or not moved.is_floating_point() or moved.numel() != x.numel():
        return None
    changed = moved.stride() != x.stride() if func in _COPIES[:2] else moved.dtype != x.dtype
    if changed or not _no_gaps(moved):
        return None
    return PackedSpikes(x.codes.to(device), x.form, moved.shape, moved.stride(), moved.dtype)


def _no_gaps(x: Tensor) -> bool:
    """Tell whether a tensor's numbers lie side by side, each in a place of its own."""
    if x.is_contiguous():
        return True
    expected = 1
    for stride, size in sorted((stride, size) for stride, size in zip(x.stride(), x.shape, strict=True) if size != 1):
        if stride != expected:
            return False
        expected *= size
    return True


def _refuse_writing(func: Any, args: Any, kwargs: Any) -> None:
    if not func._schema.is_mutable:
        return
    given = {argument.name: value for argument, value in zip(func._schema.arguments, args, strict=False)} | kwargs
    for argument in func._schema.arguments:
        written = argument.alias_info is not None and argument.alias_info.is_write
        if written and isinstance(given.get(argument.name), PackedSpikes):
            mend = "Write to its .dense() instead."
            raise DtypeError("PackedSpikes", expected="operations that read them", got=f"{func} in place", mend=mend)
