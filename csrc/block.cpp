#include "block.hpp"

#include <memory>
#include <new>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ranvier {
namespace {

class Buffer {
public:
    char* at_least(size_t bytes) {
        if (bytes > size_) {
            size_ = 0;
            data_.reset();
            data_.reset(static_cast<char*>(::operator new(bytes, ALIGNMENT)));
            size_ = bytes;
        }
        return data_.get();
    }

private:
    static constexpr std::align_val_t ALIGNMENT{LINE};
    struct Free {
        void operator()(char* data) const { ::operator delete(data, ALIGNMENT); }
    };
    std::unique_ptr<char, Free> data_;
    size_t size_ = 0;
};

thread_local Buffer buffer;

// Copy without reading the target into the cache first, as an ordinary store of part of a line would.
void stream(char* target, const char* from, ptrdiff_t bytes) {
#if defined(__SSE2__)
    constexpr ptrdiff_t WIDTH = 16;
    const ptrdiff_t head = std::min(bytes, (WIDTH - reinterpret_cast<intptr_t>(target) % WIDTH) % WIDTH);
    std::memcpy(target, from, static_cast<size_t>(head));
    ptrdiff_t k = head;
    for (; k + WIDTH <= bytes; k += WIDTH) {
        _mm_stream_si128(reinterpret_cast<__m128i*>(target + k),
                         _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + k)));
    }
    std::memcpy(target + k, from + k, static_cast<size_t>(bytes - k));
#else
    std::memcpy(target, from, static_cast<size_t>(bytes));
#endif
}

}  // namespace

void copy_row(char* target, const Row& from, int64_t N, ptrdiff_t item) {
    const ptrdiff_t stride = from.same ? 0 : item;
    for (int64_t n = 0; n < N; ++n) std::memcpy(target + n * item, from.data + n * stride, static_cast<size_t>(item));
}

Scratch::Scratch(ptrdiff_t bytes) : next_(buffer.at_least(static_cast<size_t>(bytes))) {}

namespace {

bool is_fused(const Call& call, const Code& code) { return call.fused != nullptr && code.fused >= 0; }

// Whether a fused program sees rows through lenses. It needs one value of each coefficient. Forward programs do better
// without: their results go around the caches, which is faster a stretch at a time.
bool has_lenses(const Call& call, const Code& code) {
    bool single = is_fused(call, code) && (code.layout.kind == Kind::backward || code.layout.outputs == 0);
    for (const Coefficient& c : call.coefficients) single = single && c.count == 1;
    return single;
}

// The longest stretch of which all rows in use fit the first cache; a fused program has no registers in memory, and
// takes the whole block if it can read and write it where it lies.
ptrdiff_t stretch_for(const Call& call, const Code& code, int64_t block) {
    const bool seen = has_lenses(call, code) && call.current.format != Format::float16 && call.normal.scale == nullptr;
    if (is_fused(call, code)) return is_staged(call) && !seen ? std::min<ptrdiff_t>(SHORT_STRETCH, block) : block;
    const Layout& l = code.layout;
    const ptrdiff_t rows = l.total() - l.constants - l.coefficients;
    const ptrdiff_t fits = FIRST_CACHE / (std::max<ptrdiff_t>(rows, 1) * call.item) / GRAIN * GRAIN;
    return std::min<ptrdiff_t>(std::max<ptrdiff_t>(fits, GRAIN), block);
}

ptrdiff_t channels_size(const Call& call, const Code& code, int64_t block) {
    return Channels::bytes_needed(call.normal.count, call.normal.inner, call.item, stretch_for(call, code, block));
}

}  // namespace

ptrdiff_t Slots::scratch_needed(const Call& call, const Code& code, int64_t block) {
    const Layout& l = code.layout;
    const ptrdiff_t lines = l.constants + l.coefficients + l.states + 1;
    const ptrdiff_t stretch_row = Scratch::row_size(stretch_for(call, code, block) * call.item);
    const ptrdiff_t normaliser = call.normal.scale == nullptr ? 0 : 3 * Scratch::row_size(channels_size(call, code, block));
    return lines * LINE + (l.registers + l.total()) * stretch_row + l.coefficients * Scratch::row_size(block * call.item) + normaliser;
}

Slots::Slots(const Call& call, const Code& code, int64_t block, Scratch& scratch)
    : call_(call), code_(code), item_(call.item), fused_(is_fused(call, code) ? call.fused[code.fused] : nullptr),
      stretch_(stretch_for(call, code, block)), zero_(constant(0.0, scratch)),
      slots_(static_cast<size_t>(code.layout.total())) {
    const Layout& l = code.layout;
    if (has_lenses(call, code)) lenses_.resize(slots_.size());
    for (int k = 0; k < l.registers; ++k) at(k) = {scratch.row(stretch_ * item_), 1};
    for (int k = 0; k < l.constants; ++k) {
        at(l.constant(k)) = {constant(code.constants[static_cast<size_t>(k)], scratch), 0};
    }
    for (int k = 0; k < l.coefficients; ++k) {
        const Coefficient& c = call.coefficients[static_cast<size_t>(k)];
        if (c.count == 1) {
            at(l.coefficient(k)) = {constant(number(c.values), scratch), 0};
        } else {
            point(l.coefficient(k), scratch.row(block * item_));
        }
    }
    for (const Row& state : call.states) {
        initial_.push_back(state.same ? constant(number(state.data), scratch) : nullptr);
    }
    for (size_t k = 0; k < slots_.size(); ++k) staging_.push_back(scratch.row(stretch_ * item_));
    if (const Normal& normal = call.normal; normal.scale != nullptr) {
        const auto rows = [&](const char* values) {
            return Channels(values, normal.count, normal.inner, item_, stretch_, scratch.row(channels_size(call, code, block)));
        };
        normaliser_.emplace(Normaliser{rows(normal.scale), rows(normal.shift), rows(normal.center)});
    }
}

Slots::~Slots() {
#if defined(__SSE2__)
    if (has_streamed_) _mm_sfence();  // before another thread is told that the results are there
#endif
}

void Slots::move_to(Range range) {
    range_ = range;
    padded_ = (range.size + GRAIN - 1) / GRAIN * GRAIN;
    const Layout& l = code_.layout;
    for (int k = 0; k < l.coefficients; ++k) {
        const Coefficient& c = call_.coefficients[static_cast<size_t>(k)];
        if (c.count > 1) spread(c, at(l.coefficient(k)).data);
    }
    if (padded_ != range.size) {
        for (char* row : staging_) std::memset(row, 0, static_cast<size_t>(padded_ * item_));
    }
}

char* Slots::constant(double value, Scratch& scratch) {
    char* row = scratch.line();
    for (ptrdiff_t k = 0; k < LINE / item_; ++k) {
        if (item_ == 4) {
            reinterpret_cast<float*>(row)[k] = static_cast<float>(value);
        } else {
            reinterpret_cast<double*>(row)[k] = value;
        }
    }
    return row;
}

double Slots::number(const char* place) const {
    return item_ == 4 ? static_cast<double>(*reinterpret_cast<const float*>(place)) : *reinterpret_cast<const double*>(place);
}

void Slots::spread(const Coefficient& c, char* row) const {
    int64_t index = range_.begin / c.inner % c.count, left = c.inner - range_.begin % c.inner;
    for (int64_t n = 0; n < padded_; ++n) {
        std::memcpy(row + n * item_, c.values + index * item_, static_cast<size_t>(item_));
        if (--left == 0) {
            left = c.inner;
            index = index + 1 == c.count ? 0 : index + 1;
        }
    }
}

void Slots::point_initial(int state) {
    const int slot = code_.layout.state_in(state);
    if (char* line = initial_[static_cast<size_t>(state)]; line != nullptr) {
        at(slot) = {line, 0};
    } else {
        read(slot, call_.states[static_cast<size_t>(state)].data);
    }
}

void Slots::read(int slot, const char* memory) {
    const char* place = memory + range_.begin * item_;
    if (padded_ == range_.size) {
        point(slot, const_cast<char*>(place));
    } else {
        char* row = staging_[static_cast<size_t>(slot)];
        std::memcpy(row, place, static_cast<size_t>(range_.size * item_));
        point(slot, row);
    }
}

Lens& Slots::see(int slot, char* memory, Format format) {
    Lens& lens = lenses_[static_cast<size_t>(slot)];
    lens = {format};
    at(slot) = {memory + range_.begin * (format == Format::own ? item_ : HALF), 1, false, true, &lens};
    return lens;
}

void Slots::read(int slot, const Matrix& matrix, int64_t t) {
    if (matrix.format == Format::own) {
        read(slot, matrix.row(t));
    } else if (sees(matrix.format)) {
        see(slot, matrix.row(t), matrix.format);
    } else {
        discard(slot);
        widened_.push_back({matrix.row(t) + range_.begin * HALF, at(slot).data, matrix.format, false});
    }
}

void Slots::read_current(int64_t t) {
    const int slot = code_.layout.current();
    const Matrix& current = call_.current;
    if (!normaliser_) return read(slot, current, t);
    if (sees(current.format)) {
        see(slot, current.row(t), current.format).scale = call_.normal.scale;
        return;
    }
    discard(slot);
    widened_.push_back({current.row(t) + range_.begin * current.item(item_), at(slot).data, current.format, true});
}

void Slots::write_grad_current(const Matrix& matrix, int64_t t, bool streamed, char* sum, char* product) {
    const int slot = code_.layout.grad_current();
    if (!normaliser_) return write(slot, matrix, t, streamed);
    const ptrdiff_t bytes = matrix.item(item_);
    const char* x = call_.current.row(t) + range_.begin * call_.current.item(item_);
    // The norm reads it next: it stays in the caches as far as they reach.
    if (sees(matrix.format) && matrix.format == call_.current.format) {
        Lens& lens = see(slot, matrix.row(t), matrix.format);
        lens.x = x, lens.sum = sum, lens.product = product;
        return;
    }
    discard(slot);
    staged_.push_back({matrix.row(t) + range_.begin * bytes, at(slot).data, false, matrix.format});
    gathered_ = {x, at(slot).data, sum, product};
}

void Slots::write(int slot, const Matrix& matrix, int64_t t, bool streamed) {
    if (matrix.format == Format::own) {
        write(slot, matrix.row(t), streamed);
    } else if (sees(matrix.format)) {
        see(slot, matrix.row(t), matrix.format);
        at(slot).streamed = streamed && reinterpret_cast<uintptr_t>(at(slot).data) % LINE == 0;
        has_streamed_ = has_streamed_ || at(slot).streamed;
    } else {
        discard(slot);
        staged_.push_back({matrix.row(t) + range_.begin * HALF, at(slot).data, streamed, matrix.format});
    }
}

void Slots::write(int slot, char* memory, bool streamed) {
    char* place = memory + range_.begin * item_;
    const bool whole = padded_ == range_.size;
    if (whole && streamed && fused_ != nullptr && reinterpret_cast<uintptr_t>(place) % LINE == 0) {
        at(slot) = {place, 1, true, true};
        has_streamed_ = true;
    } else if (whole && !streamed) {
        point(slot, place);
    } else {
        discard(slot);
        staged_.push_back({place, at(slot).data, streamed, Format::own});
    }
}

void Slots::run(Ahead ahead) {
    if (fused_ != nullptr && stretch_ >= padded_ && widened_.empty() && !normaliser_) {
        fused_(slots_.data(), code_.places.data(), padded_, ahead);
        carry_on(0, padded_);
    } else {
        run_stretches(ahead);
    }
    staged_.clear();
    widened_.clear();
    gathered_.reset();
}

void Slots::run_stretches(Ahead ahead) {
    const auto count = static_cast<int>(code_.instructions.size());
    const ptrdiff_t bytes_ahead = range_.size > 0 ? (ahead.end - ahead.next) / range_.size : 0;  // a neuron
    moving_ = slots_;
    for (ptrdiff_t begin = 0; begin < padded_; begin += stretch_) {
        const ptrdiff_t end = std::min(begin + stretch_, padded_);
        const Ahead part = ahead.next == nullptr ? ahead : Ahead{ahead.next + begin * bytes_ahead, ahead.next + end * bytes_ahead};
        widen(begin, end);
        turn_lenses(begin, end);
        if (fused_ != nullptr) {
            fused_(moving_.data(), code_.places.data(), end - begin, part);
        } else {
            call_.execute(code_.instructions.data(), count, moving_.data(), end - begin, part);
        }
        carry_on(begin, end);
        for (Slot& slot : moving_) {
            if (slot.moves) slot.data += stretch_ * (slot.lens != nullptr && slot.lens->format != Format::own ? HALF : item_);
        }
    }
}

// Let lenses look at neurons [begin, end) of the block.
void Slots::turn_lenses(ptrdiff_t begin, ptrdiff_t end) {
    const int64_t n = range_.begin + begin;
    for (const Slot& slot : slots_) {
        if (slot.lens == nullptr || !normaliser_) continue;
        Lens& lens = *slot.lens;
        if (lens.scale != nullptr) {
            lens.scale = normaliser_->scale.at(n, end - begin);
            lens.shift = normaliser_->shift.at(n, end - begin);
        }
        if (lens.sum != nullptr) {
            const ptrdiff_t moved = begin == 0 ? 0 : stretch_;
            lens.center = normaliser_->center.at(n, end - begin);
            lens.x += moved * (lens.format == Format::own ? item_ : HALF);
            lens.sum += moved * item_;
            lens.product += moved * item_;
        }
    }
}

// Widen, or normalise, what neurons [begin, end) of the block read.
void Slots::widen(ptrdiff_t begin, ptrdiff_t end) {
    const ptrdiff_t count = std::min<ptrdiff_t>(end, range_.size) - begin;
    for (const Widened& w : widened_) {
        if (w.normalised) {
            const int64_t n = range_.begin + begin;
            const ptrdiff_t bytes = w.format == Format::own ? item_ : HALF;
            call_.normals->rows(w.format, item_).normalise(w.from + begin * bytes, normaliser_->scale.at(n, count),
                                                           normaliser_->shift.at(n, count), w.row, count);
        } else {
            call_.halves->widen(w.format)(w.from + begin * HALF, w.row, count);
        }
    }
}

// Carry results of neurons [begin, end) of the block from their rows to where they belong.
void Slots::carry_on(ptrdiff_t begin, ptrdiff_t end) {
    const ptrdiff_t count = std::min<ptrdiff_t>(end, range_.size) - begin, bytes = count * item_;
    for (const Staged& s : staged_) {
        if (s.format != Format::own) {
            call_.halves->narrow(s.format)(s.row, s.target + begin * HALF, count, s.streamed);
        } else if (s.streamed) {
            stream(s.target + begin * item_, s.row, bytes);
        } else {
            std::memcpy(s.target + begin * item_, s.row, static_cast<size_t>(bytes));
        }
        has_streamed_ = has_streamed_ || s.streamed;
    }
    if (!gathered_) return;
    const char* center = normaliser_->center.at(range_.begin + begin, count);
    call_.normals->rows(call_.current.format, item_)
        .gather(gathered_->x + begin * call_.current.item(item_), center, gathered_->g, gathered_->sum + begin * item_,
                gathered_->product + begin * item_, count);
}

}  // namespace ranvier
