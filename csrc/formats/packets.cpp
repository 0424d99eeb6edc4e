#include "packets.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>

#include "../pool.hpp"
#include "lz4.hpp"
#include "turns.hpp"

namespace ranvier::formats {
namespace {

constexpr int64_t HEAD = 8, ITEM = 16, OFFSET = 4;  // bytes: before a packet, of an event, of an item of other vectors
constexpr int64_t MOST = 1 << 20, BEGIN = 1 << 12;  // bytes of a packet that is unpacked here, and that tell where events lie
constexpr int MOST_THREADS = 16;                    // each may need memory for two packets

enum class Kind { UNSOUND, SKIPPED, EVENTS, FRAME, SAMPLES, TRIGGERS };

// A packet: where it lies in the source, and what was found in it.
struct Packet {
    int64_t number, at, length;
    Kind kind = Kind::UNSOUND;
    Bytes events{nullptr, 0};  // null: they stay in the source, from byte `place` of the packet on
    int64_t place = 0, count = 0;
};

// The events of a packet, as they were decoded.
struct Decoded {
    int64_t num;
    Bounds bounds;
    bool whole;
};

struct Scratch {
    Piece packed;
    std::unique_ptr<uint8_t[]> plain;
};

Scratch& scratch() {
    static thread_local Scratch mine;
    return mine;
}

// What is in an unpacked packet of `size` bytes of which the first are given.
void look(Packet& packet, Bytes begin, int64_t size) {
    if (begin.size < 12) return;
    const auto is = [&](const char* name) { return std::memcmp(begin.data + 8, name, 4) == 0; };
    const auto vector = [&](const char* name, int64_t item, Kind kind) {
        const Vector found = vector_in(begin, size, name, item);
        if (found.place < 0) return;
        packet.kind = kind, packet.place = found.place, packet.count = found.length;
    };
    if (is("EVTS")) vector("EVTS", ITEM, Kind::EVENTS);
    if (is("IMUS")) vector("IMUS", OFFSET, Kind::SAMPLES);
    if (is("TRIG")) vector("TRIG", OFFSET, Kind::TRIGGERS);
    if (is("FRME")) packet.kind = Kind::FRAME, packet.count = 1;
}

struct Run {
    const Decoders& all;
    const Source& source;
    const int64_t stop, enough, frames;
    const Columns& out;
    std::mutex taking{};
    int64_t position = 0, number = 0;  // of the packet that is taken next
    bool at_end = false;
    Turns turns{};
    Found found{};
    std::deque<Decoded> decoded{};

    // Takes the number of the next packet; false if there is none that can be read here.
    bool take(Packet& packet, Piece& piece) {
        const std::lock_guard<std::mutex> lock(taking);
        const int64_t room = std::min(stop, source.size) - position;
        if (at_end || room < HEAD) return false;
        int failed = 0;
        const Bytes head = piece.read(source, position, HEAD, failed);
        at_end = true;
        if (head.size < HEAD) return false;
        int32_t stream, length;
        std::memcpy(&stream, head.data, 4), std::memcpy(&length, head.data + 4, 4);
        if (stream < 0 || stream >= MOST_STREAMS || length < 12 || HEAD + length > stop - position) return false;
        const bool is_frame = (frames >> stream & 1) != 0;
        if (!is_frame && HEAD + length > source.size - position) return false;
        packet = {number++, position, length};
        if (is_frame) packet.kind = Kind::FRAME, packet.count = 1;
        position += HEAD + length;
        at_end = false;
        return true;
    }

    // Finds out what a packet holds, and unpacks it.
    void open(Packet& packet, Scratch& mine) const {
        if (packet.kind == Kind::FRAME) return;
        int failed = 0;
        const int64_t begin = packet.at + HEAD;
        Bytes bytes = mine.packed.copy(source, begin, std::min(packet.length, BEGIN), failed);
        constexpr uint8_t LZ4[] = {0x04, 0x22, 0x4D, 0x18}, ZSTD[] = {0x28, 0xB5, 0x2F, 0xFD};
        if (bytes.size < 12 || std::memcmp(bytes.data, ZSTD, 4) == 0) return;
        const bool is_packed = std::memcmp(bytes.data, LZ4, 4) == 0;
        if (!is_packed) look(packet, bytes, packet.length);
        if (packet.kind != Kind::UNSOUND || packet.length > MOST) return;
        if (packet.length > BEGIN) bytes = mine.packed.copy(source, begin, packet.length, failed);
        if (bytes.size < packet.length) return;
        if (!is_packed) return look(packet, bytes, packet.length);
        const int64_t size = unpack_lz4(bytes, mine.plain.get(), MOST);
        if (size < 0) return;
        look(packet, {mine.plain.get(), size}, size);
        packet.events = {mine.plain.get() + packet.place, packet.count * ITEM};
    }

    // A packet's turn: counts it; false before one that is left to the twin.
    bool count(const Packet& packet) {
        if (packet.kind == Kind::UNSOUND || found.num >= enough) return false;
        if (packet.kind == Kind::EVENTS && packet.count > out.capacity - found.num) {
            found.state[0] = packet.count;
            return false;
        }
        switch (packet.kind) {
            case Kind::EVENTS: found.num += packet.count; break;
            case Kind::FRAME: found.kinds[0] += packet.count; break;
            case Kind::SAMPLES: found.kinds[1] += packet.count; break;
            default: found.kinds[2] += packet.count;
        }
        found.used = packet.at + HEAD + packet.length;
        return true;
    }

    // Decodes the events of a packet to their place.
    void decode(const Packet& packet, int64_t first, Piece& piece, Decoded& to) {
        const auto put = [&](Bytes bytes) {
            const int64_t n = first + to.num;
            const Found part = all.aedat4_items(bytes, nullptr, nullptr, {out.t + n, out.x + n, out.y + n, out.polarity + n, nullptr, packet.count - to.num});
            join(to.bounds, to.num, part.bounds, part.num);
            to.num += part.num;
            return part.num > 0;
        };
        if (packet.events.data != nullptr) put(packet.events);
        while (packet.events.data == nullptr && to.num < packet.count) {
            int failed = 0;
            const int64_t from = ITEM * to.num, wanted = std::min(ITEM * packet.count - from, PIECE);
            if (!put(piece.read(source, packet.at + HEAD + packet.place + from, wanted, failed))) break;
        }
        to.whole = to.num == packet.count;
        if (out.at == nullptr) return;
        for (int64_t i = first; i < first + packet.count; ++i) out.at[i] = static_cast<uint32_t>(packet.at);
    }

    void take_packets() {
        Scratch& mine = scratch();
        mine.packed.reserve(MOST);  // so that nothing fails between a number and its turn
        if (mine.plain == nullptr) mine.plain.reset(new uint8_t[MOST + SLACK]);
        for (Packet packet{}; take(packet, mine.packed);) {
            open(packet, mine);
            if (!turns.wait(packet.number)) return;
            const int64_t first = found.num;
            Decoded* to = nullptr;
            try {
                if (!count(packet)) return turns.end();
                if (packet.kind == Kind::EVENTS && packet.count > 0) to = &decoded.emplace_back(Decoded{0, {}, false});
            } catch (...) {
                turns.end();
                throw;
            }
            turns.pass(packet.number);
            if (to != nullptr) decode(packet, first, mine.packed, *to);
        }
    }
};

}  // namespace

Found packets(const Decoders& all, const Source& source, const int64_t* parameters, const Columns& out, const Company& company) {
    Run run{all, source, parameters[0], parameters[1], parameters[2], out};
    if (alone(company, source.size)) {
        run.take_packets();
    } else {
        run_tasks(std::min(company.threads, MOST_THREADS), company.threads, [&](Tasks& tasks) {
            for (int64_t task; tasks.take(task);) run.take_packets();
        });
    }
    int64_t num = 0;
    for (const Decoded& part : run.decoded) {
        if (!part.whole) return {};  // the file has become shorter: the twin will say so
        join(run.found.bounds, num, part.bounds, part.num);
        num += part.num;
    }
    return run.found;
}

}  // namespace ranvier::formats
