"""Packed spikes: a tensor like any other to who reads it, in less memory."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError, DtypeError, UnknownNameError
from ranvier.kernels import packed as module
from ranvier.kernels.packed import PackedSpikes, pack

FORMS = ("bits", "uint8")
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def spikes(*shape: int, form: str = "bits", dtype: torch.dtype = torch.float32, seed: int = 3) -> torch.Tensor:
    most = 2 if form == "bits" else 256
    return torch.randint(0, most, shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def a_layout(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Lay the same numbers out otherwise in memory."""
    order = torch.randperm(x.ndim, generator=generator).tolist()
    back = sorted(range(x.ndim), key=order.__getitem__)
    return x.permute(order).contiguous().permute(back)


@pytest.mark.parametrize("form", FORMS)
def test_any_shape_layout_and_type_comes_back_and_takes_the_bytes_it_says(form: str) -> None:
    generator = torch.Generator().manual_seed(11)
    for trial in range(60):
        ndim = int(torch.randint(0, 6, (), generator=generator))
        shape = torch.randint(0, 7, (ndim,), generator=generator).tolist()
        x = a_layout(spikes(*shape, form=form, dtype=DTYPES[trial % 4], seed=trial), generator)
        p = PackedSpikes.of(x, form)
        assert (p.shape, p.stride(), p.dtype, p.form) == (x.shape, x.stride(), x.dtype, form)
        assert p.nbytes == (-(-x.numel() // 8) if form == "bits" else x.numel())
        back = p.dense()
        assert type(back) is torch.Tensor
        assert back.stride() == x.stride()
        assert torch.equal(back, x)
        np.testing.assert_array_equal(p.float().numpy(), x.float().numpy())
        assert p.tolist() == x.tolist()


def test_tensors_with_gaps_are_packed_without_them() -> None:
    x = spikes(6, 8, 5)
    for gaps in (x[:, ::3], x[1].expand(4, 8, 5), x[:, 1:, 2]):
        assert torch.equal(PackedSpikes.of(gaps).dense(), gaps)
        assert pack(gaps, "bits") is None


VIEWS = {
    "flatten": lambda x: x.flatten(0, 1),
    "flatten all": lambda x: x.flatten(),
    "flatten inside": lambda x: x.flatten(2),
    "permute": lambda x: x.permute(2, 0, 3, 1),
    "transpose": lambda x: x.transpose(0, 3),
    "one step": lambda x: x[3],
    "steps": lambda x: x[1:4],
    "every other": lambda x: x[:, :, ::2],
    "unsqueeze": lambda x: x.unsqueeze(0),
    "none": lambda x: x[:0],
    "expand": lambda x: x.unsqueeze(1).expand(5, 2, 3, 4, 6),
    "split": lambda x: x.split(2)[1],
    "unbind": lambda x: x.unbind(1)[2],
    "clone": lambda x: x.clone(),
    "contiguous": lambda x: x.permute(3, 2, 1, 0).contiguous(),
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "half": lambda x: x.to(torch.bfloat16),
    "double": lambda x: x.double(),
    "detach": lambda x: x.detach(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_copy_or_cast_is_packed_again_and_says_the_same(form: str, view: str) -> None:
    for x in (
        spikes(5, 3, 4, 6, form=form),
        spikes(5, 3, 4, 6, form=form).contiguous(memory_format=torch.channels_last),
    ):
        found, want = VIEWS[view](PackedSpikes.of(x, form)), VIEWS[view](x)
        assert isinstance(found, PackedSpikes)
        assert found.form == form
        assert found.dtype == want.dtype
        assert torch.equal(found.dense(), want)


READERS = {
    "sum": lambda x: x.sum(),
    "mean over time": lambda x: x.mean(0),
    "arithmetic": lambda x: 2 * x - 1,
    "compare": lambda x: x != 0,
    "integers": lambda x: x.long(),
    "bytes": lambda x: x.to(torch.uint8),
    "another type's bits": lambda x: x.half().view(torch.bfloat16),
    "index": lambda x: x[[0, 2, 2]],
    "mask": lambda x: x[x > 0],
    "cat": lambda x: torch.cat([x, torch.ones_like(x)]),
    "conv": lambda x: nn.functional.conv2d(x, torch.arange(36.0).reshape(1, 4, 3, 3), padding=1),
    "max pool": lambda x: nn.functional.max_pool2d(x, 2),
    "linear": lambda x: nn.functional.linear(x, torch.arange(12.0).reshape(2, 6)),
    "count": lambda x: torch.count_nonzero(x),
    "item": lambda x: torch.tensor(x[0, 0, 0, 1].item()),
    "in a plain one": lambda x: torch.zeros(5, 4, 4, 6).add_(x),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reader", READERS)
def test_an_operation_gives_the_plain_tensor_of_the_dense_spikes(form: str, reader: str) -> None:
    x = spikes(5, 4, 4, 6, form=form)
    found, want = READERS[reader](PackedSpikes.of(x, form)), READERS[reader](x)
    found = found.dense() if isinstance(found, PackedSpikes) else found
    assert found.dtype == want.dtype
    torch.testing.assert_close(found, want, rtol=0, atol=0, equal_nan=True)


def test_what_autograd_keeps_of_it_stays_packed_and_gradients_are_the_same() -> None:
    def net(x: torch.Tensor) -> torch.Tensor:
        z = conv(x.flatten(0, 1))
        return z.square().sum() + nn.functional.avg_pool2d(x.flatten(0, 1), 2).square().sum() + (x[1:] * x[:-1]).sum()

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        conv = nn.Conv2d(8, 4, 3)
    x = spikes(4, 3, 8, 6, 6).requires_grad_()
    kept: list[int] = []
    grads = []
    for form in ("dense", *FORMS):
        conv.zero_grad()
        x.grad = None
        given = x if form == "dense" else PackedSpikes.of(x, form)
        out = net(given)
        out.backward()
        grads.append((out.detach(), x.grad, conv.weight.grad.clone()))
        saved = conv(given.flatten(0, 1)).grad_fn._saved_input
        kept.append(saved.nbytes)
        assert isinstance(saved, PackedSpikes) == (form != "dense")
    for other in grads[1:]:
        assert all(torch.equal(a, b) for a, b in zip(grads[0], other, strict=True))
    assert kept == [4 * x.numel(), x.numel() // 8, x.numel()]


def test_gradients_pass_through_packing_and_unpacking_unchanged() -> None:
    x, weight = spikes(5, 7).requires_grad_(), torch.arange(35.0).reshape(5, 7)
    (PackedSpikes.of(x).dense() * weight).sum().backward()
    assert torch.equal(x.grad, weight)


@pytest.mark.parametrize("other", [0.5, 2.0, -1.0, float("nan"), float("inf")])
def test_numbers_that_do_not_fit_are_refused(other: float) -> None:
    x = spikes(40)
    x[17] = other
    with pytest.raises(ConfigError, match='expected zeros and ones, got other numbers. "uint8" holds whole numbers'):
        PackedSpikes.of(x, where="layer")
    assert pack(x, "bits") is None
    if other == 2.0:
        assert torch.equal(PackedSpikes.of(x, "uint8").dense(), x)
        return
    with pytest.raises(ConfigError, match="layer: expected whole numbers from 0 to 255, got other numbers."):
        PackedSpikes.of(x, "uint8", where="layer")
    with pytest.raises(ConfigError, match="whole numbers from 0 to 255"):
        PackedSpikes.of(torch.tensor([256.0]), "uint8")


def test_unknown_forms_and_whole_numbers_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="PackedSpikes.spikes: expected a known form"):
        PackedSpikes.of(spikes(3), "bit")  # type: ignore[arg-type]
    with pytest.raises(DtypeError, match=r"expected a floating tensor, got torch.int64. Convert it by .float()."):
        PackedSpikes.of(torch.ones(3, dtype=torch.int64))


def test_writing_is_refused_and_changes_nothing() -> None:
    x = spikes(6, 4)
    p = PackedSpikes.of(x)
    for write in (lambda: p.add_(1), lambda: p[0].zero_(), lambda: p.copy_(x), lambda: p.t().mul_(2.0),
                  lambda: torch.add(x, 1, out=p)):  # fmt: skip
        with pytest.raises(DtypeError, match="PackedSpikes: expected operations that read them, got aten.* in place"):
            write()
    assert torch.equal(p.dense(), x)


def test_bytes_of_the_caller_may_change_afterwards() -> None:
    for frames in (spikes(9, 3).to(torch.uint8), spikes(9, 3).bool(), spikes(9, 6).bool()[:, ::2]):
        want = frames.float()
        p = PackedSpikes.of_bytes(frames, torch.float32)
        frames.zero_()
        assert torch.equal(p.dense(), want)
        assert p.nbytes == want.numel()


def test_a_deep_copy_and_words_about_it() -> None:
    p = PackedSpikes.of(spikes(6, 4))
    assert torch.equal(copy.deepcopy(p).dense(), p.dense())
    assert repr(p) == "PackedSpikes(bits, shape=(6, 4), dtype=float32, nbytes=3)"


def test_operators_for_tracers_say_the_same_as_the_direct_way(monkeypatch: pytest.MonkeyPatch) -> None:
    x = spikes(5, 13)
    monkeypatch.setattr(module.direct, "applies", lambda _: False)
    for form in FORMS:
        p = PackedSpikes.of(x, form)
        assert torch.equal(p[1:].dense(), x[1:])
        assert torch.equal(p.flatten() + 1, x.flatten() + 1)
    with pytest.raises(ConfigError, match="zeros and ones"):
        PackedSpikes.of(x * 2)
    torch.library.opcheck(torch.ops.ranvier.pack, (x.flatten(), "bits"))
    torch.library.opcheck(torch.ops.ranvier.unpack, (p.codes, "uint8", 65, torch.float32))
