// A driver for the sanitizers: decoders on mutated files, whole, in chunks, and on several threads. Built by tools/fuzz.py
// with AddressSanitizer and UndefinedBehaviorSanitizer, or with ThreadSanitizer; with -DRANVIER_LIBFUZZER for Clang's
// coverage-guided fuzzer, else a loop of its own.
//
// Usage without libFuzzer: fuzz FORMAT MUTATIONS SEED FILES... Each file is the bytes after the header. Prints JSON.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "kinds.hpp"

namespace ranvier::formats {
namespace {

struct Format {
    const char* name;
    int64_t record, spare;  // bytes of a record, of which there are at most so many events a word, and room wanted at once
    std::vector<std::vector<int64_t>> parameters;
    std::vector<int64_t> state;
    int64_t most = 0;  // events that a byte may unpack to
};

const std::vector<Format>& formats() {
    static const std::vector<Format> all = {
        {"evt2", 4, 0, {{}}, {-1, 0}},
        {"evt21", 8, 32, {{0}, {1}}, {-1, 0}},
        {"evt3", 2, 1024, {{}}, {-1, 0, 0, -1, -1, 0}},
        {"dat", 8, 0, {{2}, {1}}, {0, 0}},
        {"aedat2", 8, 0, {{0, 127, -1}, {1, -1, -1}, {1, 239, 179}}, {0, 0}},
        {"aedat3", 8, 0, {{INT64_MAX}}, {0, 0, 0, 0, 0}},
        {"aedat4", 16, 0, {{INT64_MAX, INT64_MAX, 0}, {INT64_MAX, INT64_MAX, 2}}, {}, 16},
        {"aedat4_items", 16, 0, {{}}, {}},
        {"nmnist_bin", 5, 0, {{}}, {0}},
        {"es", 5, 0, {{1, 180}, {2, 240}}, {0}},
    };
    return all;
}

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "FAILED: %s\n", what);
    std::abort();
}

struct Events {
    std::vector<int64_t> t;
    std::vector<int16_t> x, y;
    std::vector<uint8_t> polarity;
    int64_t state[NUM_STATES] = {}, kinds[16] = {}, used = 0, untimed = 0, others = 0;

    bool operator==(const Events& o) const {
        return t == o.t && x == o.x && y == o.y && polarity == o.polarity && used == o.used && untimed == o.untimed &&
               others == o.others && std::memcmp(kinds, o.kinds, sizeof(kinds)) == 0 && std::memcmp(state, o.state, sizeof(state)) == 0;
    }
};

void check(const Found& f, const Columns& c, int64_t size) {
    if (f.num < 0 || f.num > c.capacity || f.used < 0) fail("more events than room");
    if (f.used > size && f.kinds[15] >= 0 && f.num > size) fail("more bytes than given");
    if (f.num == 0) return;
    Bounds b = DECODERS_BASELINE.bounds(c, f.num);
    if (b.t_low != f.bounds.t_low || b.t_high != f.bounds.t_high || b.t_first != f.bounds.t_first || b.t_last != f.bounds.t_last ||
        b.x_low != f.bounds.x_low || b.x_high != f.bounds.x_high || b.y_low != f.bounds.y_low || b.y_high != f.bounds.y_high ||
        b.p_high != f.bounds.p_high || b.rising != f.bounds.rising) {
        fail("bounds are not those of the events");
    }
}

// Room for events, of exactly the size that is asked for, so that a step beyond it is seen.
struct Room {
    const std::unique_ptr<int64_t[]> t;
    const std::unique_ptr<int16_t[]> x, y;
    const std::unique_ptr<uint8_t[]> polarity;
    const std::unique_ptr<uint32_t[]> at;
    const Columns out;

    Room(int64_t capacity, bool places) : Room(static_cast<size_t>(capacity), places) {}
    Room(size_t room, bool places)
        : t(new int64_t[room]), x(new int16_t[room]), y(new int16_t[room]), polarity(new uint8_t[room]),
          at(places ? new uint32_t[room] : nullptr),
          out{t.get(), x.get(), y.get(), polarity.get(), at.get(), static_cast<int64_t>(room)} {
        std::fill_n(t.get(), room, BLANK), std::fill_n(x.get(), room, BLANK), std::fill_n(y.get(), room, BLANK);
        std::fill_n(polarity.get(), room, uint8_t{BLANK});
    }

    // Behind the events may lie those of another thread.
    void check_blank(int64_t from) const {
        for (auto i = static_cast<size_t>(from); i < static_cast<size_t>(out.capacity); ++i) {
            if (t[i] != BLANK || x[i] != BLANK || y[i] != BLANK || polarity[i] != BLANK) fail("something is written behind the events");
        }
    }

    static constexpr int8_t BLANK = 77;
};

struct Given {
    const Format& format;
    const Kind& kind;
    const std::vector<int64_t>& numbers;
    const uint8_t* data;
    int64_t size;

    int64_t capacity(int64_t num) const { return num / format.record + 1 + format.spare + num * format.most; }

    // From byte `from` on, in memory of exactly that size.
    Found decode(const Decoders& variant, int64_t from, int64_t num, const int64_t* state, const Columns& out, const Company& company) const {
        int64_t parameters[NUM_PARAMETERS] = {};
        std::copy(numbers.begin(), numbers.end(), parameters);
        if (!numbers.empty() && numbers[0] == INT64_MAX) parameters[0] = size - from;
        const std::unique_ptr<uint8_t[]> bytes(new uint8_t[static_cast<size_t>(num)]);
        std::memcpy(bytes.get(), data + from, static_cast<size_t>(num));
        int error = 0;
        const Found found = formats::run(kind, variant, {bytes.get(), -1, 0, num}, parameters, state, out, company, error);
        check(found, out, num);
        return found;
    }
};

// Decodes a file in chunks.
Events walk(const Given& given, const Decoders& variant, int64_t chunk, bool places) {
    Events all;
    std::copy(given.format.state.begin(), given.format.state.end(), all.state);
    while (all.used < given.size) {
        const int64_t num = std::min(chunk, given.size - all.used);
        const Room room(given.capacity(num), places);
        const Found found = given.decode(variant, all.used, num, all.state, room.out, {});
        for (int64_t i = 0; places && i < found.num; ++i) {
            if (room.at[static_cast<size_t>(i)] >= num && num > 0) fail("an event beyond the bytes given");
        }
        const auto n = static_cast<size_t>(found.num);
        const Columns& c = room.out;
        all.t.insert(all.t.end(), c.t, c.t + n), all.x.insert(all.x.end(), c.x, c.x + n);
        all.y.insert(all.y.end(), c.y, c.y + n), all.polarity.insert(all.polarity.end(), c.polarity, c.polarity + n);
        all.untimed += found.untimed, all.others += found.others;
        for (int k = 0; k < 16; ++k) all.kinds[k] += found.kinds[k];
        if (found.used == 0) {
            if (chunk >= given.size) break;
            chunk = 2 * chunk;  // as a reader does that is asked for more
            continue;
        }
        all.used += found.used;
        std::memcpy(all.state, found.state, sizeof(all.state));
    }
    return all;
}

// Decodes a file at once, on one thread and on several, and compares all that is found.
void race(const Given& given, const Decoders& variant, const Company& company) {
    int64_t state[NUM_STATES] = {};
    std::copy(given.format.state.begin(), given.format.state.end(), state);
    const Room one(given.capacity(given.size), false), many(given.capacity(given.size), false);
    const Found a = given.decode(variant, 0, given.size, state, one.out, {});
    one.check_blank(a.num);
    const Found b = given.decode(variant, 0, given.size, state, many.out, company);
    const auto n = static_cast<size_t>(a.num);
    const bool same = a.num == b.num && a.used == b.used && a.untimed == b.untimed && a.others == b.others && a.frames == b.frames &&
                      a.unfit == b.unfit && a.first_unknown == b.first_unknown && std::memcmp(a.state, b.state, sizeof(a.state)) == 0 &&
                      std::memcmp(a.kinds, b.kinds, sizeof(a.kinds)) == 0 && std::equal(one.t.get(), one.t.get() + n, many.t.get()) &&
                      std::equal(one.x.get(), one.x.get() + n, many.x.get()) && std::equal(one.y.get(), one.y.get() + n, many.y.get()) &&
                      std::equal(one.polarity.get(), one.polarity.get() + n, many.polarity.get());
    if (!same) fail("threads differ");
}

const std::vector<const Decoders*>& instruction_sets() {
    static const std::vector<const Decoders*> found = [] {
        std::vector<const Decoders*> sets = variants();
#if defined(__SANITIZE_THREAD__)
        // Instrumented by GCC 12 (which alone defines this), EVT 2.0 by AVX-512 gives wrong numbers on one thread too; by
        // Clang's ThreadSanitizer and all other sanitizers it does not.
        if (sets.size() > 1 && std::string(sets[0]->name) == "avx512") sets.erase(sets.begin());
#endif
        return sets;
    }();
    return found;
}

// One file through a decoder, however it is cut, whatever the instruction set and the number of threads: always the same.
void run(const Format& format, const uint8_t* data, int64_t size, uint32_t salt) {
    const Given given{format, *kind_named(format.name), format.parameters[salt % format.parameters.size()], data, size};
    const auto& all = instruction_sets();
    const Decoders& other = *all[salt / 7 % all.size()];
    if (std::getenv("RANVIER_RACES") == nullptr) {
        const Events law = walk(given, DECODERS_BASELINE, std::max<int64_t>(size, 1), false);
        if (!(walk(given, other, 1 + salt / 3 % 97, (salt & 1) != 0) == law)) fail("chunks or instruction sets differ");
    }
    const bool parts = given.kind.parts != nullptr || given.kind.decode == nullptr;
    if (parts) race(given, other, {2 + static_cast<int>(salt / 11 % 3), 1 + salt / 13 % 97});
}

struct Random {
    uint64_t state;
    uint64_t next() {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        return state;
    }
    size_t below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(next() % n); }
};

// One to four of: flip, overwrite, cut, insert, remove, repeat, a number at the edge.
std::vector<uint8_t> mutate(std::vector<uint8_t> data, Random& r) {
    for (size_t turns = 1 + r.below(4); turns > 0 && !data.empty(); --turns) {
        const size_t at = r.below(data.size()), num = 1 + r.below(32);
        const auto place = data.begin() + static_cast<ptrdiff_t>(at);
        switch (r.below(7)) {
            case 0: data[at] ^= static_cast<uint8_t>(1u << r.below(8)); break;
            case 1:
                for (size_t k = at; k < std::min(at + num, data.size()); ++k) data[k] = static_cast<uint8_t>(r.next());
                break;
            case 2: data.resize(at); break;
            case 3: {
                std::vector<uint8_t> more(num);
                for (uint8_t& byte : more) byte = static_cast<uint8_t>(r.next());
                data.insert(place, more.begin(), more.end());
                break;
            }
            case 4: data.erase(place, data.begin() + static_cast<ptrdiff_t>(std::min(at + num, data.size()))); break;
            case 5: {
                const uint32_t edges[] = {0xFFFFFFFF, 0x7FFFFFFF, 0, 0x80000000};
                const uint32_t edge = edges[r.below(4)];
                std::memcpy(&data[at], &edge, std::min<size_t>(4, data.size() - at));
                break;
            }
            default: {
                const std::vector<uint8_t> copy(place, data.begin() + static_cast<ptrdiff_t>(std::min(at + 8 * num, data.size())));
                data.insert(place, copy.begin(), copy.end());
            }
        }
    }
    return data;
}

const Format& named(const std::string& name) {
    for (const Format& f : formats()) {
        if (name == f.name) return f;
    }
    fail("no such format");
}

}  // namespace
}  // namespace ranvier::formats

using namespace ranvier::formats;

#ifdef RANVIER_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const Format& format = named(std::getenv("RANVIER_FORMAT"));
    if (size < 4) return 0;
    uint32_t salt = 0;
    std::memcpy(&salt, data, 4);
    run(format, data + 4, static_cast<int64_t>(size) - 4, salt);
    return 0;
}
#else
// By C's own means: MemorySanitizer does not know what the library of C++ writes.
std::vector<uint8_t> contents(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    if (file == nullptr) fail("no such file");
    std::vector<uint8_t> data;
    uint8_t some[4096] = {};
    for (size_t num; (num = std::fread(some, 1, sizeof(some), file)) > 0;) data.insert(data.end(), some, some + num);
    std::fclose(file);
    return data;
}

int main(int argc, char** argv) {
    if (argc < 5) return 2;
    const Format& format = named(argv[1]);
    const int64_t mutations = std::atoll(argv[2]);
    Random random{std::strtoull(argv[3], nullptr, 10) * 0x9E3779B97F4A7C15 + 1};
    std::vector<std::vector<uint8_t>> seeds;
    for (int k = 4; k < argc; ++k) {
        seeds.push_back(contents(argv[k]));
    }
    double slowest = 0;  // seconds for a file of its size, where files below 1 MB count as 1 MB
    int64_t bytes = 0;
    for (int64_t k = 0; k < mutations; ++k) {
        const std::vector<uint8_t> data = mutate(seeds[random.below(seeds.size())], random);
        const std::clock_t begin = std::clock();  // of the processor: a busy machine stops the clock on the wall for minutes
        run(format, data.data(), static_cast<int64_t>(data.size()), static_cast<uint32_t>(random.next()));
        const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
        slowest = std::max(slowest, seconds / std::max(1.0, static_cast<double>(data.size()) / 1e6));
        bytes += static_cast<int64_t>(data.size());
    }
    std::printf("{\"mutations\": %lld, \"bytes\": %lld, \"slowest_s_per_mb\": %.6f}\n", static_cast<long long>(mutations),
                static_cast<long long>(bytes), slowest);
    return 0;
}
#endif
