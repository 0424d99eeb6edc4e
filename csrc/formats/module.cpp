// The Python module: hands bytes and room for events to the decoders, without Python's lock.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <cerrno>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../team.hpp"
#include "kinds.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace ranvier::formats {
namespace {

using Block = nb::ndarray<uint8_t, nb::ndim<1>, nb::device::cpu, nb::c_contig>;
using Numbers = std::vector<int64_t>;

[[noreturn]] void refuse(const std::string& name, const std::string& expected, const std::string& got) {
    throw std::invalid_argument(name + ": expected " + expected + ", got " + got);
}

const Decoders& variant(const std::optional<std::string>& name) {
    if (!name) return *variants().front();
    for (const Decoders* d : variants()) {
        if (*name == d->name) return *d;
    }
    refuse("variant", "one of variants()", *name);
}

const Kind& kind(const std::string& name) {
    const Kind* found = kind_named(name);
    if (found == nullptr) refuse("format", "a format with a compiled decoder", name);
    return *found;
}

constexpr size_t EVENT = 8 + 2 + 2 + 1, PLACED = EVENT + 4;  // bytes

// A block holds the columns one after the other: t, x, y, polarity, and places if these are asked for.
Columns columns(const Block& block, int64_t capacity, int64_t start, bool places) {
    const size_t room = places ? PLACED : EVENT;
    if (capacity < 0 || capacity % 8 != 0 || start < 0 || start > capacity || block.size() / room < static_cast<size_t>(capacity)) {
        refuse("block", "room for a multiple of 8 events", std::to_string(block.size()) + " bytes for " + std::to_string(capacity));
    }
    uint8_t* base = block.data();
    if (reinterpret_cast<uintptr_t>(base) % 8 != 0) refuse("block", "memory aligned to 8 bytes", "other memory");
    const auto n = static_cast<size_t>(capacity), s = static_cast<size_t>(start);
    return {reinterpret_cast<int64_t*>(base) + s,          reinterpret_cast<int16_t*>(base + 8 * n) + s,
            reinterpret_cast<int16_t*>(base + 10 * n) + s, base + 12 * n + s,
            places ? reinterpret_cast<uint32_t*>(base + 13 * n) + s : nullptr, capacity - start};
}

template <size_t N>
std::array<int64_t, N> padded(const char* name, const Numbers& given) {
    if (given.size() > N) refuse(name, "at most " + std::to_string(N) + " numbers", std::to_string(given.size()));
    std::array<int64_t, N> all{};
    std::copy(given.begin(), given.end(), all.begin());
    return all;
}

using Given = nb::ndarray<const uint8_t, nb::ndim<1>, nb::device::cpu, nb::c_contig>;

// Bytes, or an array of them; valid as long as the object is held.
Bytes bytes_of(nb::handle data) {
    if (PyBytes_Check(data.ptr())) {
        const auto held = nb::borrow<nb::bytes>(data);
        return {static_cast<const uint8_t*>(held.data()), static_cast<int64_t>(held.size())};
    }
    const auto held = nb::cast<Given>(data);
    return {held.data(), static_cast<int64_t>(held.size())};
}

// Where events go, and how; the same for bytes and for files.
struct Call {
    const Kind& format;
    const Decoders& all;
    const std::array<int64_t, NUM_PARAMETERS> parameters;
    const std::array<int64_t, NUM_STATES> state;
    const Columns out;
    const Company company;

    Found run(const Source& source) const {
        int error = 0;
        Found found;
        {
            const nb::gil_scoped_release release;
            found = formats::run(format, all, source, parameters.data(), state.data(), out, company, error);
        }
        if (error == 0) return found;
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
        throw nb::python_error();
    }
};

Company company(int threads, int64_t piece, int64_t size) {
    if (threads < 1) refuse("threads", "one at least", std::to_string(threads));
    if (piece < 0 || (piece > 0 && size / piece > 1 << 20)) refuse("piece", "a millionth of the bytes at least", std::to_string(piece));
    return {threads, piece};
}

Found decode(const std::string& format, nb::object data, int64_t skip, const Numbers& parameters, const Numbers& state,
             const Block& block, int64_t capacity, int64_t start, bool places, int threads, int64_t piece,
             const std::optional<std::string>& name) {
    const Bytes all = bytes_of(data);
    const int64_t size = all.size;
    if (skip < 0 || skip > size || size - skip > UINT32_MAX) refuse("data", "less than 4 GiB", std::to_string(size));
    const Call call{kind(format), variant(name), padded<NUM_PARAMETERS>("parameters", parameters), padded<NUM_STATES>("state", state),
                    columns(block, capacity, start, places), company(threads, piece, size)};
    // Never null: that would be a file.
    static const uint8_t none = 0;
    return call.run({size == skip ? &none : all.data + skip, -1, 0, size - skip});
}

#if defined(RANVIER_FILES)
Found decode_file(const std::string& format, int file, int64_t at, int64_t size, const Numbers& parameters, const Numbers& state,
                  const Block& block, int64_t capacity, int64_t start, int threads, int64_t piece, const std::optional<std::string>& name) {
    if (at < 0 || size < 0 || size > UINT32_MAX) refuse("size", "less than 4 GiB", std::to_string(size));
    const Call call{kind(format), variant(name), padded<NUM_PARAMETERS>("parameters", parameters), padded<NUM_STATES>("state", state),
                    columns(block, capacity, start, false), company(threads, piece, size)};
    return call.run({nullptr, file, at, size});
}
#endif

nb::tuple told(const Bounds& b) {
    return nb::make_tuple(b.t_low, b.t_high, b.t_first, b.t_last, b.x_low, b.x_high, b.y_low, b.y_high, b.p_high, b.rising);
}

}  // namespace
}  // namespace ranvier::formats

NB_MODULE(_decoders, m) {
    using namespace ranvier::formats;
    nb::set_leak_warnings(false);  // Python ends before its caches of codes do
    m.def("forget_team", &ranvier::forget_team, "Use no thread of torch any more, as in a child of a process that ran it.");
    nb::class_<Found>(m, "Found")
        .def_ro("num", &Found::num)
        .def_ro("used", &Found::used)
        .def_ro("first_unknown", &Found::first_unknown)
        .def_ro("untimed", &Found::untimed)
        .def_ro("others", &Found::others)
        .def_ro("frames", &Found::frames)
        .def_ro("unfit", &Found::unfit)
        .def_prop_ro("state", [](const Found& f) { return Numbers(f.state, f.state + NUM_STATES); })
        .def_prop_ro("kinds", [](const Found& f) { return Numbers(f.kinds, f.kinds + 16); })
        .def_prop_ro("bounds", [](const Found& f) { return told(f.bounds); });
    m.def("variants", [] {
        std::vector<std::string> names;
        for (const Decoders* d : variants()) names.emplace_back(d->name);
        return names;
    });
    m.def("decode", &decode, "format"_a, "data"_a, "skip"_a, "parameters"_a, "state"_a, "block"_a, "capacity"_a,
          "start"_a, "places"_a, "threads"_a, "piece"_a, "variant"_a.none());
#if defined(RANVIER_FILES)
    m.def("decode_file", &decode_file, "format"_a, "file"_a, "at"_a, "size"_a, "parameters"_a, "state"_a, "block"_a, "capacity"_a,
          "start"_a, "threads"_a, "piece"_a, "variant"_a.none());
#endif
}
