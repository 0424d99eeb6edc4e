// The few steps of FlatBuffers that lead to the vector of an AEDAT 4 packet, each checked against the bytes that are
// there; the twin: ranvier/data/formats/flatbuffer.py.
#include "decode.hpp"

namespace ranvier::formats {
namespace {

template <class T>
bool get(Bytes b, int64_t at, T& value) {
    if (at < 0 || at > b.size - static_cast<int64_t>(sizeof(T))) return false;
    std::memcpy(&value, b.data + at, sizeof(T));
    return true;
}

}  // namespace

Vector vector_in(Bytes b, int64_t size_of_packet, const char* kind, int64_t item) {
    uint32_t root = 0, offset = 0, length = 0;
    int32_t back = 0;
    uint16_t size = 0, field = 0;
    if (b.size < 12 || std::memcmp(b.data + 8, kind, 4) != 0 || !get(b, 4, root)) return {};
    const int64_t table = 4 + int64_t{root};
    if (!get(b, table, back)) return {};
    const int64_t vtable = table - back;
    if (!get(b, vtable, size)) return {};
    if (size < 6) return {0, 0};
    if (!get(b, vtable + 4, field)) return {};
    if (field == 0) return {0, 0};
    if (!get(b, table + field, offset)) return {};
    const int64_t vector = table + field + int64_t{offset};
    if (!get(b, vector, length) || vector + 4 + int64_t{length} * item > size_of_packet) return {};
    return {vector + 4, length};
}

}  // namespace ranvier::formats
