// The Python module: hands bytes and room for events to the decoders, without Python's lock.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "decode.hpp"
#include "walk.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace ranvier::formats {
namespace {

using Block = nb::ndarray<uint8_t, nb::ndim<1>, nb::device::cpu, nb::c_contig>;
using Numbers = std::vector<int64_t>;

[[noreturn]] void refuse(const std::string& name, const std::string& expected, const std::string& got) {
    throw std::invalid_argument(name + ": expected " + expected + ", got " + got);
}

const std::vector<const Decoders*>& variants() {
    static const std::vector<const Decoders*> usable = [] {
        std::vector<const Decoders*> found;
#ifdef RANVIER_X86
        for (const Decoders* d : {&DECODERS_AVX512, &DECODERS_AVX2}) {
            if (d->usable()) found.push_back(d);
        }
#endif
        found.push_back(&DECODERS_BASELINE);
        return found;
    }();
    return usable;
}

const Decoders& variant(const std::optional<std::string>& name) {
    if (!name) return *variants().front();
    for (const Decoders* d : variants()) {
        if (*name == d->name) return *d;
    }
    refuse("variant", "one of variants()", *name);
}

Decode decoder(const Decoders& all, const std::string& name) {
    const std::pair<const char*, Decode> named[] = {
        {"evt2", all.evt2},     {"evt21", all.evt21},   {"evt3", all.evt3},   {"dat", all.dat},
        {"aedat2", all.aedat2}, {"aedat3", all.aedat3}, {"aedat4", all.aedat4}, {"aedat4_items", all.aedat4_items}, {"nmnist_bin", all.nmnist_bin},
        {"es", all.es}};
    for (const auto& [known, decode] : named) {
        if (name == known) return decode;
    }
    refuse("format", "a format with a compiled decoder", name);
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

Found decode(const std::string& format, nb::object data, int64_t skip, const Numbers& parameters, const Numbers& state,
             const Block& block, int64_t capacity, int64_t start, bool places, const std::optional<std::string>& name) {
    const Bytes all = bytes_of(data);
    const int64_t size = all.size;
    if (skip < 0 || skip > size || size - skip > UINT32_MAX) refuse("data", "less than 4 GiB", std::to_string(size));
    const Bytes bytes{all.data + skip, size - skip};
    const Columns out = columns(block, capacity, start, places);
    const auto numbers = padded<NUM_PARAMETERS>("parameters", parameters);
    const auto states = padded<NUM_STATES>("state", state);
    const Decode run = decoder(variant(name), format);
    const nb::gil_scoped_release release;
    return run(bytes, numbers.data(), states.data(), out);
}

#if defined(RANVIER_PREAD)
Found decode_file(const std::string& format, int file, int64_t at, int64_t size, const Numbers& parameters, const Numbers& state,
                  const Block& block, int64_t capacity, int64_t start, const std::optional<std::string>& name) {
    if (at < 0 || size < 0 || size > UINT32_MAX) refuse("size", "less than 4 GiB", std::to_string(size));
    const Columns out = columns(block, capacity, start, false);
    const auto numbers = padded<NUM_PARAMETERS>("parameters", parameters);
    const auto states = padded<NUM_STATES>("state", state);
    const Decode run = decoder(variant(name), format);
    static thread_local const std::unique_ptr<uint8_t[]> piece(new uint8_t[PIECE + 2 * PAGE]);
    uint8_t* aligned = piece.get() + (PAGE - reinterpret_cast<uintptr_t>(piece.get()) % PAGE);
    int error = 0;
    Found found;
    {
        const nb::gil_scoped_release release;
        found = walk_file(run, file, at, size, numbers.data(), states.data(), out, aligned, error);
    }
    if (error != 0) {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
        throw nb::python_error();
    }
    return found;
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
          "start"_a, "places"_a, "variant"_a.none());
#if defined(RANVIER_PREAD)
    m.def("decode_file", &decode_file, "format"_a, "file"_a, "at"_a, "size"_a, "parameters"_a, "state"_a, "block"_a, "capacity"_a,
          "start"_a, "variant"_a.none());
#endif
    m.def("event_vector", [](nb::object data, int64_t size) {
        const Bytes all = bytes_of(data);
        if (size < all.size) refuse("size", "that of a packet which begins so", std::to_string(size));
        const Vector found = event_vector(all, size);
        return nb::make_tuple(found.place, found.length);
    }, "begin"_a, "size"_a);
}
