#include "neurons.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "../flush.hpp"
#include "../pool.hpp"

namespace ranvier::sparse {
namespace {

constexpr int64_t LINE = 64, ROW_ROOM = 4 * PAD;
constexpr int64_t WANTED_TILE = 4096;      // neurons whose currents stay in the first cache
constexpr int64_t FIRST_CACHE = 24 * 1024;
constexpr double INSTRUCTION = 0.06;       // nanoseconds a neuron

// Memory of one thread, kept from call to call.
class Arena {
public:
    float* take(int64_t numbers) {
        float* found = next_;
        next_ += (numbers + PAD - 1) / PAD * PAD + PAD;  // not all rows at the same place within their pages
        return found;
    }
    void open(int64_t rows, int64_t numbers) {
        const auto needed = static_cast<size_t>(rows * (numbers + 2 * PAD));
        if (needed > size_) {
            data_.reset();
            data_.reset(static_cast<float*>(::operator new(needed * sizeof(float), std::align_val_t{LINE})));
            size_ = needed;
        }
        next_ = data_.get();
    }

private:
    struct Free {
        void operator()(float* data) const { ::operator delete(data, std::align_val_t{LINE}); }
    };
    std::unique_ptr<float, Free> data_;
    float* next_ = nullptr;
    size_t size_ = 0;
};

thread_local Arena arena;

}  // namespace

// What one thread needs to work on tiles.
class Neurons::Worker {
public:
    Worker(const Neurons& neurons, const Session& session, int64_t tile)
        : n_(neurons), l_(neurons.code_.layout), session_(session) {
        const int64_t room = tile + ROW_ROOM;
        const int64_t rows = 3 + l_.registers + l_.constants + l_.coefficients + 2 * l_.states;
        arena.open(rows, room);
        acc_ = arena.take(room);
        recurrent_ = n_.recurrence_.present ? arena.take(room) : nullptr;
        std::memset(acc_, 0, static_cast<size_t>(room) * sizeof(float));
        block_ = FIRST_CACHE / 4 / (l_.registers + 2 * l_.states + l_.coefficients + 2);
        block_ = std::min(std::max(block_ / GRAIN * GRAIN, GRAIN), (tile + GRAIN - 1) / GRAIN * GRAIN);
        slots_.resize(static_cast<size_t>(l_.total()));
        spikes_ = arena.take(block_);
        for (int k = 0; k < l_.registers; ++k) point(k, arena.take(block_));
        for (int k = 0; k < l_.constants; ++k) {
            slots_[l_.constant(k)] = {reinterpret_cast<char*>(line(static_cast<float>(n_.code_.constants[k]))), 0};
        }
        for (int k = 0; k < l_.coefficients; ++k) spread(k, room);
        for (int k = 0; k < 2 * l_.states; ++k) staged_.push_back(arena.take(block_));
    }

    float* acc() { return acc_; }

    // Fetch the states of the next patch of neurons while this one is worked on.
    void fetch(int64_t item_begin, const Patch& patch) const {
        for (int k = 0; k < l_.states; ++k) {
            const float* state = session_.states[n_.first_state_ + k] + item_begin + patch.begin;
            for (int64_t r = 0; r < patch.count; ++r, state += patch.pitch) {
                for (int64_t at = 0; at < patch.span; at += PAD) __builtin_prefetch(state + at, 1, 2);
            }
        }
    }

    float* recurrent() { return recurrent_; }

    // Run the program over a patch of neurons of an element of the batch, whose currents lie in acc, and
    // set the bits of those that fired, or list them where there are no words.
    void run(int64_t item_begin, const Patch& patch, int64_t task, Listing& listing, uint64_t* words) {
        for (int64_t r = 0; r < patch.count; ++r) {
            run(item_begin, patch.begin + r * patch.pitch, patch.span, acc_ + r * patch.span, task, listing, words);
        }
    }

private:
    void run(int64_t item_begin, int64_t begin, int64_t size, float* acc, int64_t task, Listing& listing, uint64_t* words) {
        for (int64_t at = 0; at < size; at += block_) {
            const int64_t n = std::min(block_, size - at), first = begin + at;
            run_block(item_begin + first, acc, at, n);
            if (n_.recurrence_.present) {
                std::copy_n(spikes_, n, session_.states[n_.recurrence_.last_spikes] + item_begin + first);
            }
            if (words == nullptr) {
                listing.append(session_.kernels, task, spikes_, n, first);
                continue;
            }
            session_.kernels.pack(spikes_, (n + 63) / 64 * 64, words + first / 64);
            if (n % 64 != 0) words[(first + n) / 64] &= (uint64_t{1} << n % 64) - 1;
        }
    }
    void point(int slot, float* row) { slots_[slot] = {reinterpret_cast<char*>(row), 1}; }
    float* line(float value) {
        float* row = arena.take(PAD);
        std::fill_n(row, PAD, value);
        return row;
    }
    void spread(int k, int64_t numbers) {
        const Values& values = n_.values_[k];
        if (values.count == 1) {
            slots_[l_.coefficient(k)] = {reinterpret_cast<char*>(line(values.data[0])), 0};
            coefficients_.push_back(nullptr);
            return;
        }
        float* row = arena.take(numbers);
        for (int64_t at = 0; at < numbers; at += values.count) {
            std::copy_n(values.data, std::min(values.count, numbers - at), row + at);
        }
        coefficients_.push_back(row);
    }

    void run_block(int64_t begin, float* acc, int64_t at, int64_t size) {
        const int64_t padded = (size + GRAIN - 1) / GRAIN * GRAIN;
        for (int k = 0; k < l_.coefficients; ++k) {
            if (coefficients_[k] != nullptr) point(l_.coefficient(k), coefficients_[k] + at);
        }
        point(l_.current(), acc + at);
        point(l_.output(0), spikes_);
        for (int k = 0; k < l_.states; ++k) {
            float* state = session_.states[n_.first_state_ + k] + begin;
            float *old = state, *fresh = n_.code_.in_place[k] ? state : staged_[2 * k + 1];
            if (padded != size) {  // the row ends inside: work on copies
                std::copy_n(state, size, staged_[2 * k]);
                std::fill(staged_[2 * k] + size, staged_[2 * k] + padded, 0.0f);
                old = staged_[2 * k];
                fresh = n_.code_.in_place[k] ? old : staged_[2 * k + 1];
            }
            point(l_.state_in(k), old);
            point(l_.state_out(k), fresh);
        }
        n_.machine_.run(n_.code_, slots_.data(), padded);
        for (int k = 0; k < l_.states; ++k) {
            float* state = session_.states[n_.first_state_ + k] + begin;
            const auto* fresh = reinterpret_cast<const float*>(slots_[l_.state_out(k)].data);
            if (fresh != state) std::copy_n(fresh, size, state);
        }
    }

    const Neurons& n_;
    const Layout& l_;
    const Session& session_;
    int64_t block_;
    float *acc_, *spikes_, *recurrent_;
    std::vector<Slot> slots_;
    std::vector<float*> coefficients_, staged_;
};

Tiles Neurons::tiles(const Signal& in, int threads) const {
    int64_t unit = in.lazy != nullptr ? in.lazy->unit() : recurrence_.present ? 4 * PAD : 1;
    for (const Values& values : values_) {
        // Rows of values repeat from the tile's start, so a tile starts where they do.
        if (values.count > 1) unit = unit % values.count == 0 ? unit : unit == 1 ? values.count : out.size();
    }
    const bool flat = out.shape.height * out.shape.width == 1;
    const int64_t whole = flat && threads == 1 ? out.size() : out.size() / (flat ? threads : 4 * threads);
    return cut(out.size(), unit, flat ? whole : std::min(std::max<int64_t>(whole, 1), WANTED_TILE));
}

bool Neurons::takes_patches() const {
    bool takes = binary_ && !recurrence_.present;
    for (const Values& values : values_) takes &= values.count == 1 || out.shape.channels % values.count == 0;
    return takes;
}

std::vector<Patch> Neurons::patches(const Signal& in, int threads) const {
    const int64_t size = out.size(), runs = in.lazy != nullptr ? in.lazy->runs() : 1;
    std::vector<Patch> found;
    if (runs == 1) {
        const Tiles cuts = tiles(in, threads);
        for (int64_t begin = 0; begin < size; begin += cuts.tile) found.push_back({begin, std::min(cuts.tile, size - begin)});
        return found;
    }
    const int64_t row = out.shape.width * out.shape.channels, channels = out.shape.channels;
    const int64_t span = std::max<int64_t>(WANTED_TILE / (runs * channels) / 4 * 4, 4) * channels;  // whole words of bits
    for (int64_t y = 0; y < out.shape.height; y += runs) {
        for (int64_t x = 0; x < row; x += span) {
            found.push_back({y * row + x, std::min(span, row - x), std::min(runs, out.shape.height - y), row});
        }
    }
    return found;
}

bool Neurons::gives_truth() const {
    const std::vector<std::string> names = opcode_names();
    std::string last;  // the instruction that writes the spikes
    for (const Instruction& i : code_.instructions) {
        if (i.target == code_.layout.output(0)) last = names[static_cast<size_t>(i.opcode)];
    }
    last = last.substr(last.rfind('_') + 1);  // what fused instructions do in the end
    return last == "gt" || last == "ge" || last == "lt" || last == "le" || last == "eq" || last == "ne";
}

bool Neurons::run(Session& session, Signal& in) {
    const Kernels& kernels = session.kernels;
    const int64_t size = out.size(), batch = out.batch;
    if (in.lazy == nullptr) in.dense();
    const bool recurrent = recurrence_.present;
    if (recurrent) list_map(kernels, session.states[recurrence_.last_spikes], batch, size, last_);
    const double own = static_cast<double>(batch * size) * INSTRUCTION * static_cast<double>(code_.instructions.size());
    const double back = recurrent ? static_cast<double>(last_.total() * size) * INSTRUCTION : 0.0;
    const int threads = threads_worth(own + back + (in.lazy != nullptr ? in.lazy->nanoseconds() : 0.0), session.threads);
    const std::vector<Patch> cuts = patches(in, threads);
    const auto an_item = static_cast<int64_t>(cuts.size()), tasks_count = batch * an_item;
    const int64_t room = an_item > 0 ? cuts.front().size() : 0;
    const bool pack = binary_ && (an_item == 1 || cuts.front().span % 64 == 0);  // tasks share no word
    if (pack) out.bits.open(batch, size);
    else listing_.open(tasks_count, room);
    std::vector<int64_t> synops(static_cast<size_t>(tasks_count), 0);
    run_tasks(tasks_count, threads, [&](Tasks& tasks) {
        const FlushDenormals flush;
        Worker worker(*this, session, room);
        for (int64_t task; tasks.take(task);) {
            const Patch& patch = cuts[static_cast<size_t>(task % an_item)];
            const int64_t item = task / an_item, begin = patch.begin, n = patch.size(), place = item * size + begin;
            if (in.lazy != nullptr) {
                if (task + 1 < tasks_count) worker.fetch((task + 1) / an_item * size, cuts[static_cast<size_t>((task + 1) % an_item)]);
                synops[task] = in.lazy->compute(session, item, patch, worker.acc());
            } else {
                std::copy_n(in.map + place, n, worker.acc());
            }
            if (recurrent) {
                const Weight& w = recurrence_.weight;
                const int64_t padded = (n + PAD - 1) / PAD * PAD;
                kernels.fill(worker.recurrent(), 1, padded, w.start() != nullptr ? w.start() + begin : nullptr);
                kernels.add_rows[static_cast<int>(w.kind)]({worker.recurrent(), w.data, w.row, last_.places(item),
                                                            last_.values(item), last_.count(item), begin, padded});
                if (w.scale != nullptr) kernels.scale(worker.recurrent(), 1, padded, w.scale + begin, w.bias + begin);
                kernels.add(worker.acc(), worker.recurrent(), n);
            }
            worker.run(item * size, patch, task, listing_, pack ? out.bits.item(item) : nullptr);
        }
    });
    if (in.lazy != nullptr) {
        for (int64_t count : synops) in.lazy->stats.synops += count;
    }
    if (pack) {
        out.now_packed();
    } else {
        listing_.merge(batch, out.events);
        out.now_listed();
    }
    ++stats.steps;
    stats.inputs += batch * size;
    if (recurrent) {
        stats.synops += last_.total() * size;
        stats.events += last_.total();
        stats.last_density = static_cast<double>(last_.total()) / static_cast<double>(std::max<int64_t>(batch * size, 1));
        stats.last = Form::scatter;
        ++stats.forms[static_cast<size_t>(Form::scatter)];
    }
    return true;
}

}  // namespace ranvier::sparse
