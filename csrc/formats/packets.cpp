#include "packets.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "../pool.hpp"
#include "lz4.hpp"
#include "turns.hpp"

namespace ranvier::formats {
namespace {

constexpr int64_t HEAD = 8, ITEM = 16, OFFSET = 4;  // bytes: before a packet, of an event, of an item of other vectors
constexpr int64_t MOST = 1 << 20;                   // bytes of a packet that is unpacked here
constexpr int64_t BEGIN = 1 << 12;                  // bytes of a packet that tell where its events lie
constexpr int64_t WINDOW = 1 << 16;                 // bytes, at least, that are read at once where packets are small
constexpr size_t FIRST_PACKETS = 8, MOST_PACKETS = 64;  // of a batch: it doubles, as much is in vain if one is broken
constexpr int MOST_THREADS = 16;                    // each may need memory for four packets
constexpr uint8_t LZ4[] = {0x04, 0x22, 0x4D, 0x18}, ZSTD[] = {0x28, 0xB5, 0x2F, 0xFD};

enum class Kind { UNSOUND, EVENTS, FRAME, SAMPLES, TRIGGERS };

// A packet: where it lies in the source, and what was found in it.
struct Packet {
    int64_t at, length;
    Bytes bytes{nullptr, 0};  // the first of them at least, if any were read
    Kind kind = Kind::UNSOUND;
    Bytes events{nullptr, 0};  // null: they stay in the source, from byte `place` of the packet on
    int64_t place = 0, count = 0;

    bool begins(const uint8_t (&magic)[4]) const { return bytes.size >= 12 && std::memcmp(bytes.data, magic, 4) == 0; }
};

// The events of a packet, as they were decoded.
struct Decoded {
    int64_t num;
    Bounds bounds;
    bool whole;
};

// What a thread does at once: small packets one after the other, or one large packet, or two that are packed.
struct Batch {
    int64_t number = 0;
    std::vector<Packet> packets{};
    std::vector<Packed> frames{};
    std::vector<size_t> packed{};       // which packets they are
    std::vector<Decoded*> places{};     // of those that were counted; null: without events
    Piece window{}, large[2]{};
    std::unique_ptr<uint8_t[]> plain[2]{};

    // So that nothing fails between a number and its turn.
    void reserve() {
        packets.reserve(MOST_PACKETS), frames.reserve(MOST_PACKETS), packed.reserve(MOST_PACKETS), places.reserve(MOST_PACKETS);
        window.reserve(PIECE);
        for (Piece& piece : large) piece.reserve(MOST);
        for (auto& memory : plain) {
            if (memory == nullptr) memory.reset(new uint8_t[MOST]);
        }
    }
};

Batch& batch_of_thread() {
    static thread_local Batch mine;
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
    int64_t position = 0, number = 0;  // of the batch that is taken next
    bool at_end = false;
    int64_t longest = 0;          // bytes of a packet of the batch before
    size_t most = FIRST_PACKETS;  // of the batch that is taken next
    std::atomic<bool> full{false};
    Turns turns{};
    Found found{};
    std::deque<Decoded> decoded{};

    // Takes the next packets that can be read here; false if there is none.
    bool take(Batch& batch) {
        const std::lock_guard<std::mutex> lock(taking);
        batch.packets.clear();
        if (at_end || full.load(std::memory_order_relaxed)) return false;
        if (take_first(batch)) take_second(batch);
        if (batch.packets.empty()) return false;
        batch.number = number++;
        most = std::min(2 * most, MOST_PACKETS);
        return true;
    }

    // Reads the headers and, where packets are small, these; gives the bytes from `position` on.
    Bytes read(Batch& batch, int64_t wanted) const {
        int failed = 0;
        const int64_t room = std::min(stop, source.size) - position;
        return room < HEAD ? Bytes{nullptr, 0} : batch.window.read(source, position, std::min(room, wanted), failed);
    }

    // The packet whose header comes next; false, for good, for one that is left to the twin.
    bool next(Bytes bytes, Packet& packet) {
        int32_t stream, length;
        std::memcpy(&stream, bytes.data, 4), std::memcpy(&length, bytes.data + 4, 4);
        at_end = stream < 0 || stream >= MOST_STREAMS || length < 12 || HEAD + length > stop - position;
        if (at_end) return false;
        packet = {position, length};
        if ((frames >> stream & 1) != 0) {
            packet.kind = Kind::FRAME, packet.count = 1;
            return true;
        }
        at_end = HEAD + length > source.size - position;
        packet.bytes = {bytes.data + HEAD, std::min(bytes.size - HEAD, packet.length)};
        return !at_end;
    }

    void push(Batch& batch, const Packet& packet) {
        batch.packets.push_back(packet);
        position += HEAD + packet.length;
        if (packet.kind != Kind::FRAME) longest = std::max(longest, packet.length);  // frames are passed over
    }

    // Takes the packets that these bytes hold; gives whether a large one comes next, of which they hold the beginning.
    bool take_small(Batch& batch, Bytes window, Packet& packet) {
        const int64_t start = position;
        while (batch.packets.size() < most && window.size - (position - start) >= HEAD) {
            const int64_t from = position - start;
            if (!next({window.data + from, window.size - from}, packet)) return false;
            if (packet.kind == Kind::UNSOUND && packet.bytes.size < packet.length) return true;
            push(batch, packet);
        }
        return false;
    }

    // Takes the packets that one reading holds, or a large one by itself; true if this is packed.
    bool take_first(Batch& batch) {
        const Bytes window = read(batch, longest > PIECE / 4 ? BEGIN : std::max(4 * longest, WINDOW));
        longest = 0;
        Packet packet{};
        const bool is_large = take_small(batch, window, packet);
        if (!is_large || !batch.packets.empty()) return false;
        push(batch, packet);
        return packet.begins(LZ4);
    }

    // Takes one more large packet that is packed, and small ones before it, if that is what comes next.
    void take_second(Batch& batch) {
        Packet packet{};
        const Bytes window = read(batch, BEGIN);
        batch.packets[0].bytes = {nullptr, 0};  // that was read over
        if (!take_small(batch, window, packet) || packet.length <= BEGIN || !packet.begins(LZ4)) return;
        packet.bytes = {nullptr, 0};
        push(batch, packet);
    }

    // Finds out what packets hold, and unpacks them.
    void open(Batch& batch) const {
        batch.frames.clear(), batch.packed.clear();
        Piece* memory = batch.large;
        for (size_t k = 0; k < batch.packets.size(); ++k) {
            Packet& packet = batch.packets[k];
            if (packet.kind == Kind::FRAME) continue;
            const auto whole = [&] {
                int failed = 0;
                if (packet.bytes.size < packet.length && packet.length <= MOST) {
                    packet.bytes = (memory++)->read(source, packet.at + HEAD, packet.length, failed);
                }
                return packet.bytes.size == packet.length;
            };
            if (packet.bytes.size < 12 && !whole()) continue;
            if (packet.begins(ZSTD)) continue;
            if (!packet.begins(LZ4)) {
                look(packet, packet.bytes, packet.length);
                if (packet.kind == Kind::UNSOUND && packet.bytes.size < packet.length && whole()) look(packet, packet.bytes, packet.length);
                if (packet.bytes.size == packet.length) packet.events = {packet.bytes.data + packet.place, packet.count * ITEM};
            } else if (packet.length <= MOST && whole()) {
                batch.frames.push_back({packet.bytes}), batch.packed.push_back(k);
            }
        }
        unpack_lz4(batch.frames.data(), static_cast<int64_t>(batch.frames.size()), batch.plain[0].get(), batch.plain[1].get(), MOST);
        for (size_t k = 0; k < batch.frames.size(); ++k) {
            Packet& packet = batch.packets[batch.packed[k]];
            const Bytes plain = batch.frames[k].plain;
            look(packet, plain, plain.size);
            packet.events = {plain.data + packet.place, packet.count * ITEM};
        }
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
        if (found.num >= enough) full.store(true, std::memory_order_relaxed);
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

    // A batch's turn: counts its packets and gives each that has events a place to put these; false if it is the last.
    bool count(Batch& batch) {
        batch.places.clear();
        for (const Packet& packet : batch.packets) {
            if (!count(packet)) return false;
            batch.places.push_back(packet.kind == Kind::EVENTS && packet.count > 0 ? &decoded.emplace_back(Decoded{0, {}, false}) : nullptr);
        }
        return true;
    }

    void take_packets() {
        Batch& batch = batch_of_thread();
        batch.reserve();
        while (take(batch)) {
            open(batch);
            if (!turns.wait(batch.number)) return;
            int64_t first = found.num;
            bool more = false;
            try {
                more = count(batch);
            } catch (...) {
                turns.end();
                throw;
            }
            more ? turns.pass(batch.number) : turns.end();
            for (size_t k = 0; k < batch.places.size(); ++k) {
                if (batch.places[k] == nullptr) continue;
                decode(batch.packets[k], first, batch.window, *batch.places[k]);
                first += batch.packets[k].count;
            }
        }
    }
};

// How much work a byte is, as a multiple of that of a plain packet.
int64_t weight(const Source& source) {
    Packet packet{};
    int failed = 0;
    packet.bytes = batch_of_thread().window.read(source, 0, std::min(source.size, HEAD + 12), failed);
    if (packet.bytes.size < HEAD + 12) return 1;
    packet.bytes.data += HEAD, packet.bytes.size -= HEAD;
    return packet.begins(LZ4) ? 4 : 1;
}

}  // namespace

Found packets(const Decoders& all, const Source& source, const int64_t* parameters, const Columns& out, const Company& company) {
    Run run{all, source, parameters[0], parameters[1], parameters[2], out};
    if (alone(company, source.size * weight(source))) {
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
