"""Letters: T time, B batch, C channels, h heads, d = C / h, N positions."""

import itertools

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.nn import AttentionProduct


def spikes(*shape, seed=0, rate=0.4, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return [(torch.rand(*shape, generator=generator) < rate).to(dtype) for _ in range(3)]


def by_hand(query, key, value, heads, scale):
    """Sum over positions and channels of a head: A[i, c] = s sum_j (sum_b q[i, b] k[j, b]) v[j, c]."""
    steps, batch, channels, _ = query.shape
    out, size = np.zeros(query.shape), channels // heads
    for t, b, h in np.ndindex(steps, batch, heads):
        part = slice(h * size, (h + 1) * size)
        q, k, v = (x[t, b, part].astype(np.float64) for x in (query, key, value))
        out[t, b, part] = scale * np.einsum("bi,bj,cj->ci", q, k, v)
    return out


@pytest.mark.parametrize(("heads", "channels", "places"), [(1, 3, 5), (2, 8, 3), (4, 4, 9), (3, 9, 1)])
@pytest.mark.parametrize("order", ["auto", "keys-values", "queries-keys"])
def test_it_is_the_sum_written_out_in_either_order(heads, channels, places, order):
    q, k, v = spikes(2, 3, channels, places)
    got = AttentionProduct(heads, scale=0.125, order=order)(q, k, v)
    np.testing.assert_array_equal(got, by_hand(q.numpy(), k.numpy(), v.numpy(), heads, 0.125))
    assert got.any() or places == 1


def test_both_orders_give_the_same_gradient():
    found = []
    for order in ("keys-values", "queries-keys"):
        inputs = [x.requires_grad_() for x in spikes(2, 2, 6, 7, dtype=torch.float64)]
        weights = torch.randn(2, 2, 6, 7, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        (AttentionProduct(2, order=order)(*inputs) * weights).sum().backward()
        found.append([x.grad for x in inputs])
    for first, second in zip(*found, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-12, atol=1e-12)
        assert first.abs().sum() > 0


def test_maps_keep_their_shape_and_nothing_is_negative():
    q, k, v = spikes(2, 1, 4, 3, 5)
    a = AttentionProduct(2)(q, k, v)
    assert a.shape == (2, 1, 4, 3, 5)
    assert (a >= 0).all()
    np.testing.assert_array_equal(a.flatten(3), by_hand(*(x.flatten(3).numpy() for x in (q, k, v)), 2, 0.125))


def multiplications(query, key, value, heads, *, keys_first):
    """Count each product of two numbers that are not 0, one by one."""
    steps, batch, channels, places = query.shape
    size, count = channels // heads, 0
    for t, b, h in np.ndindex(steps, batch, heads):
        q, k, v = (x[t, b, h * size : (h + 1) * size] for x in (query, key, value))
        first, middle = (k, v @ k.T) if keys_first else (k.T, k.T @ q)
        del first
        if keys_first:
            count += sum(v[c, j] != 0 and k[a, j] != 0 for c, a, j in np.ndindex(size, size, places))
            count += sum(middle[c, a] != 0 and q[a, i] != 0 for c, a, i in np.ndindex(size, size, places))
        else:
            count += sum(k[a, j] != 0 and q[a, i] != 0 for j, i, a in np.ndindex(places, places, size))
            count += sum(middle[j, i] != 0 and v[c, j] != 0 for j, i, c in np.ndindex(places, places, size))
    return count


@pytest.mark.parametrize(("size", "places"), [(3, 7), (7, 3), (4, 4)])
@pytest.mark.parametrize("order", ["keys-values", "queries-keys"])
def test_operations_are_counted_as_one_by_one(size, places, order):
    q, k, v = spikes(2, 2, 2 * size, places, rate=0.3)
    counted = AttentionProduct(2, order=order).count(q, k, v)
    keys_first = order == "keys-values"
    expected = multiplications(q.numpy(), k.numpy(), v.numpy(), 2, keys_first=keys_first)
    assert counted == (2 * 2 * 2 * 2 * size * places * (size if keys_first else places), expected, True)
    assert expected > 0


def test_the_cheaper_order_is_taken():
    for size, places in itertools.product((2, 4, 6), (3, 4, 9)):
        inputs = spikes(1, 1, size, places)
        counts = {o: AttentionProduct(1, order=o).count(*inputs) for o in ("auto", "keys-values", "queries-keys")}
        assert counts["auto"].dense == min(c.dense for c in counts.values())


def test_graded_inputs_are_no_additions():
    q, k, v = spikes(1, 1, 2, 3)
    assert not AttentionProduct(1).count(2 * q, k, v).additions


def test_senseless_numbers_and_shapes_are_refused():
    with pytest.raises(ConfigError, match=r"AttentionProduct\.heads: expected at least 1, got 0"):
        AttentionProduct(0)
    with pytest.raises(ConfigError, match=r'AttentionProduct\.order: expected "auto", .* got \'kv\''):
        AttentionProduct(1, order="kv")
    q, k, v = spikes(1, 1, 4, 3)
    with pytest.raises(ShapeError, match=r"AttentionProduct: expected query, key and value of one shape"):
        AttentionProduct(1)(q, k, v[..., :2])
    with pytest.raises(
        ShapeError, match=r"AttentionProduct: expected channels that are a multiple of the 3 heads, got 4"
    ):
        AttentionProduct(3)(q, k, v)
