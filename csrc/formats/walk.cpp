#include "walk.hpp"

#include <algorithm>
#include <vector>

#include "../pool.hpp"
#include "../team.hpp"
#include "turns.hpp"

namespace ranvier::formats {
namespace {

// Adds what the next bytes hold to what those before them did; `at` is how far behind the first of all they begin.
void join(Found& all, const Found& next, int64_t at) {
    join(all.bounds, all.num, next.bounds, next.num);
    if (all.first_unknown < 0 && next.first_unknown >= 0) all.first_unknown = at + next.first_unknown;
    for (int k = 0; k < 16; ++k) all.kinds[k] += next.kinds[k];
    std::memcpy(all.state, next.state, sizeof(all.state));
    all.num += next.num, all.used += next.used, all.untimed += next.untimed, all.others += next.others, all.frames += next.frames;
    all.unfit |= next.unfit;
}

Columns behind(const Columns& out, int64_t num) {
    return {out.t + num, out.x + num, out.y + num, out.polarity + num, nullptr, out.capacity - num};
}

// Decodes on, piece by piece.
void go_on(Found& all, Decode decode, const Source& source, const int64_t* parameters, const Columns& out, int64_t length, int& error) {
    Piece& piece = piece_of_thread();
    while (all.used < source.size) {
        const Bytes bytes = piece.read(source, all.used, std::min(length, source.size - all.used), error);
        if (bytes.size == 0) return;
        const Found next = decode(bytes, parameters, all.state, behind(out, all.num));
        if (next.used == 0) return;
        join(all, next, all.used);
    }
}

// All whole records, in parts. A thread reads a part and outlines it while others do so with theirs; in its turn it
// learns the state before it and its place among the events, and hands on those behind it; then it decodes. So no part
// is guessed, and none decoded twice.
struct Cut {
    const Decode decode;
    const Parts& parts;
    const Source& source;
    const int64_t* parameters;
    const Columns& out;
    const int64_t length, whole;  // bytes of a part, of all
    std::vector<Found> found{static_cast<size_t>((whole + length - 1) / length)};
    Turns turns{};
    std::atomic<int64_t> next{0};
    int64_t state[NUM_STATES] = {}, num = 0;  // before the part whose turn it is
    int error = 0;

    void take_part() {
        Piece& piece = piece_of_thread();
        piece.reserve(length);  // so that nothing fails between a number and its turn
        const auto count = static_cast<int64_t>(found.size());
        for (int64_t k; (k = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
            const int64_t from = k * length, wanted = std::min(length, whole - from);
            int failed = 0;
            const Bytes bytes = piece.read(source, from, wanted, failed);
            const Outline outline = parts.outline(bytes);
            if (!turns.wait(k)) return;
            int64_t begin[NUM_STATES];
            std::memcpy(begin, state, sizeof(begin));
            const int64_t first = num;
            num += parts.follow(outline, state);
            if (bytes.size == wanted) {
                turns.pass(k);
            } else {
                error = failed;
                turns.end();
            }
            found[static_cast<size_t>(k)] = decode(bytes, parameters, begin, behind(out, first));
        }
    }

    void join_to(Found& all) const {
        for (const Found& part : found) {
            const int64_t wanted = std::min(length, whole - all.used);
            if (part.used == 0) return;
            join(all, part, all.used);
            if (part.used < wanted) return;
        }
    }
};

}  // namespace

bool alone(const Company& company, int64_t size) {
    // Two parts, where the size of parts is given. Else 2 MiB, which take one thread about 0.4 ms: waking another takes
    // 0.05 to 0.1 ms, and milliseconds where another program has its core.
    const int64_t worth = company.piece > 0 ? 2 * company.piece : 8 * PIECE * worth_of_waking();
    return company.threads < 2 || size < worth;
}

void join(Bounds& b, int64_t num, const Bounds& n, int64_t num_next) {
    if (num_next == 0) return;
    if (num == 0) {
        b = n;
        return;
    }
    b.rising = b.rising && n.rising && n.t_first >= b.t_last;
    b.t_last = n.t_last;
    b.t_low = std::min(b.t_low, n.t_low), b.t_high = std::max(b.t_high, n.t_high);
    b.x_low = std::min(b.x_low, n.x_low), b.x_high = std::max(b.x_high, n.x_high);
    b.y_low = std::min(b.y_low, n.y_low), b.y_high = std::max(b.y_high, n.y_high);
    b.p_high = std::max(b.p_high, n.p_high);
}

Piece& piece_of_thread() {
    static thread_local Piece piece;
    return piece;
}

Found walk(Decode decode, const Parts* parts, const Source& source, const int64_t* parameters, const int64_t* state,
           const Columns& out, const Company& company, int& error) {
    Found all;
    std::memcpy(all.state, state, sizeof(all.state));
    const int64_t record = parts == nullptr ? 1 : parts->record, whole = source.size - source.size % record;
    const int64_t piece = company.piece > 0 ? company.piece : PIECE, length = std::max(piece - piece % record, record);
    if (parts != nullptr && !alone(company, source.size) && out.at == nullptr && out.capacity >= whole / record) {
        Cut cut{decode, *parts, source, parameters, out, length, whole};
        std::memcpy(cut.state, state, sizeof(cut.state));
        run_tasks(company.threads, company.threads, [&](Tasks& tasks) {
            for (int64_t task; tasks.take(task);) cut.take_part();
        });
        cut.join_to(all);
        error = cut.error;
        if (error != 0) return all;
    }
    if (source.data == nullptr) {
        go_on(all, decode, source, parameters, out, length, error);
        return all;
    }
    if (all.used < source.size && all.used == 0) return decode({source.data, source.size}, parameters, state, out);
    return all;
}

}  // namespace ranvier::formats
