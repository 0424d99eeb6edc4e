// The Python module: checks lengths and sizes, then runs a pass without the lock.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include "passes.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace ranvier::passes {
namespace {

template <class T>
using Column = nb::ndarray<const T, nb::ndim<1>, nb::device::cpu, nb::c_contig>;
template <class T>
using Result = nb::ndarray<T, nb::ndim<1>, nb::device::cpu, nb::c_contig>;
using Times = Column<int64_t>;
using Pixels = Column<int16_t>;
using Polarities = Column<uint8_t>;
using Size = std::pair<int64_t, int64_t>;

void check(bool good, const char* what) {
    if (!good) throw std::invalid_argument(what);
}

Columns columns(const int64_t* t, size_t num, const Pixels& x, const Pixels& y, const Polarities* polarity, const Size& size) {
    const auto [height, width] = size;
    check(height >= 1 && width >= 1 && height <= 1 << 15 && width <= 1 << 15, "size: expected sides from 1 to 32768");
    check(x.size() == num && y.size() == num && (!polarity || polarity->size() == num), "columns: expected one length");
    return {t, x.data(), y.data(), polarity ? polarity->data() : nullptr, static_cast<int64_t>(num), height, width};
}

int64_t py_unsound(const Times& t, const Pixels& x, const Pixels& y, const Polarities& p, const Size& size) {
    const Columns e = columns(t.data(), t.size(), x, y, &p, size);
    nb::gil_scoped_release released;
    return unsound(e);
}

int64_t py_frames(const Pixels& x, const Pixels& y, const Polarities& p, const Size& size, const Times& borders,
                  int64_t shrink, int64_t exact, const Result<float>& out) {
    const Columns e = columns(nullptr, x.size(), x, y, &p, size);
    check(shrink >= 1 && borders.size() >= 1, "frames: expected shrink >= 1 and borders");
    const int64_t num = static_cast<int64_t>(borders.size()) - 1;
    const int64_t cells = 2 * ((e.height + shrink - 1) / shrink) * ((e.width + shrink - 1) / shrink);
    check(static_cast<int64_t>(out.size()) == num * cells, "frames: expected a result of (T, 2, H, W)");
    bool good = borders(0) >= 0 && borders(num) <= e.num;
    for (int64_t k = 0; k < num; ++k) good &= borders(k) <= borders(k + 1);
    check(good, "frames: expected borders that never fall, within the events");
    nb::gil_scoped_release released;
    return frames(e, borders.data(), num, shrink, exact, out.data());
}

int64_t py_measured(const std::optional<Times>& t, const Pixels& x, const Pixels& y, const Polarities& p, const Size& size,
                    const std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t>& ruler, int64_t shrink, int64_t exact,
                    const Result<float>& out) {
    const auto [start, step, parts, cap, num] = ruler;
    const Columns e = columns(t ? t->data() : nullptr, t ? t->size() : x.size(), x, y, &p, size);
    check(shrink >= 1 && step >= 0 && parts >= 1 && cap >= 0 && num >= 0, "frames: expected shrink >= 1 and steps that do not fall");
    check(t || cap <= e.num, "frames: expected borders within the events");
    const int64_t cells = 2 * ((e.height + shrink - 1) / shrink) * ((e.width + shrink - 1) / shrink);
    check(static_cast<int64_t>(out.size()) == num * cells, "frames: expected a result of (T, 2, H, W)");
    nb::gil_scoped_release released;
    std::vector<int64_t> found(num + 1);
    borders(e, start, step, parts, cap, num, found.data());
    return frames(e, found.data(), num, shrink, exact, out.data());
}

int64_t py_voxels(const Times& t, const Pixels& x, const Pixels& y, const Polarities& p, const Size& size, int64_t start,
                  int64_t span, int64_t num_bins, int64_t channels, const Result<float>& out) {
    const Columns e = columns(t.data(), t.size(), x, y, &p, size);
    check(num_bins >= 1 && span >= 0 && (channels == 1 || channels == 2), "voxels: expected bins, a span, 1 or 2 channels");
    check(static_cast<int64_t>(out.size()) == num_bins * channels * e.height * e.width, "voxels: expected a result of (B, C, H, W)");
    nb::gil_scoped_release released;
    return voxels(e, start, span, num_bins, channels, out.data());
}

int64_t py_supported(const Times& t, const Pixels& x, const Pixels& y, const Size& size, int64_t window, int64_t num,
                     const Result<bool>& kept) {
    const Columns e = columns(t.data(), t.size(), x, y, nullptr, size);
    check(static_cast<int64_t>(kept.size()) == e.num && window >= 0, "supported: expected a result of (E,), window >= 0");
    nb::gil_scoped_release released;
    return supported(e, window, num, reinterpret_cast<uint8_t*>(kept.data()));
}

int64_t py_dense(const Times& t, const Pixels& x, const Pixels& y, const Size& size, int64_t window, int64_t radius,
                 int64_t num, const Result<bool>& kept) {
    const Columns e = columns(t.data(), t.size(), x, y, nullptr, size);
    check(static_cast<int64_t>(kept.size()) == e.num && window >= 0, "dense: expected a result of (E,), window >= 0");
    check(radius >= 0 && radius <= 1 << 15, "dense: expected a radius from 0 to 32768");
    nb::gil_scoped_release released;
    return dense(e, window, radius, num, reinterpret_cast<uint8_t*>(kept.data()));
}

int64_t py_hats(const Times& t, const Pixels& x, const Pixels& y, const Polarities& p, const Size& size, int64_t cell,
                int64_t radius, const Column<double>& weight, const Result<double>& total, const Result<int64_t>& count) {
    const Columns e = columns(t.data(), t.size(), x, y, &p, size);
    check(cell >= 1 && radius >= 0 && radius <= 1 << 15, "hats: expected cell >= 1, a radius from 0 to 32768");
    const int64_t groups = (e.height + cell - 1) / cell * ((e.width + cell - 1) / cell) * 2, side = 2 * radius + 1;
    check(static_cast<int64_t>(count.size()) == groups && static_cast<int64_t>(total.size()) == groups * side * side,
          "hats: expected results of (groups, side, side) and (groups,)");
    nb::gil_scoped_release released;
    return hats(e, cell, radius, weight.data(), static_cast<int64_t>(weight.size()), total.data(), count.data());
}

}  // namespace
}  // namespace ranvier::passes

NB_MODULE(_passes, m) {
    using namespace ranvier::passes;
    m.doc() = "Passes over event columns. Each returns the number of the first event off the sensor, or -1.";
    m.def("unsound", &py_unsound, "t"_a, "x"_a, "y"_a, "polarity"_a, "size"_a);
    m.def("frames", &py_frames, "x"_a, "y"_a, "polarity"_a, "size"_a, "borders"_a, "shrink"_a, "exact"_a, "out"_a.noconvert());
    m.def("measured", &py_measured, "t"_a.none(), "x"_a, "y"_a, "polarity"_a, "size"_a, "ruler"_a, "shrink"_a, "exact"_a, "out"_a.noconvert());
    m.def("voxels", &py_voxels, "t"_a, "x"_a, "y"_a, "polarity"_a, "size"_a, "start"_a, "span"_a, "num_bins"_a, "channels"_a, "out"_a.noconvert());
    m.def("supported", &py_supported, "t"_a, "x"_a, "y"_a, "size"_a, "window"_a, "num"_a, "kept"_a.noconvert());
    m.def("dense", &py_dense, "t"_a, "x"_a, "y"_a, "size"_a, "window"_a, "radius"_a, "num"_a, "kept"_a.noconvert());
    m.def("hats", &py_hats, "t"_a, "x"_a, "y"_a, "polarity"_a, "size"_a, "cell"_a, "radius"_a, "weight"_a, "total"_a.noconvert(), "count"_a.noconvert());
}
