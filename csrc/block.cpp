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

Scratch::Scratch(ptrdiff_t rows, ptrdiff_t lines, ptrdiff_t numbers, ptrdiff_t item)
    : pitch_((numbers * item + LINE - 1) / LINE * LINE + 2 * LINE) {
    char* all = buffer.at_least(static_cast<size_t>(rows * pitch_ + lines * LINE));
    next_line_ = all - LINE;
    next_row_ = all + lines * LINE - pitch_;
}

Slots::Slots(const Call& call, const Code& code, Scratch& scratch)
    : call_(call), code_(code), item_(call.item), zero_(constant(0.0, scratch)),
      slots_(static_cast<size_t>(code.layout.total())) {
    const Layout& l = code.layout;
    for (int k = 0; k < l.registers; ++k) point(k, scratch.row());
    for (int k = 0; k < l.constants; ++k) {
        slots_[static_cast<size_t>(l.constant(k))] = {constant(code.constants[static_cast<size_t>(k)], scratch), 0};
    }
    for (int k = 0; k < l.coefficients; ++k) {
        const Coefficient& c = call.coefficients[static_cast<size_t>(k)];
        if (c.count == 1) {
            const double value = item_ == 4 ? *reinterpret_cast<float*>(c.values) : *reinterpret_cast<double*>(c.values);
            slots_[static_cast<size_t>(l.coefficient(k))] = {constant(value, scratch), 0};
        } else {
            point(l.coefficient(k), scratch.row());
        }
    }
    for (size_t k = 0; k < slots_.size(); ++k) staging_.push_back(scratch.row());
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
        if (c.count > 1) spread(c, slots_[static_cast<size_t>(l.coefficient(k))].data);
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

void Slots::write(int slot, char* memory, bool streamed) {
    char* place = memory + range_.begin * item_;
    if (padded_ == range_.size && !streamed) {
        point(slot, place);
    } else {
        char* row = staging_[static_cast<size_t>(slot)];
        staged_.push_back({place, row, streamed});
        point(slot, row);
    }
}

void Slots::run(Execute execute, Ahead ahead) {
    execute(code_.instructions.data(), static_cast<int>(code_.instructions.size()), slots_.data(), padded_, ahead);
    for (const Staged& s : staged_) {
        if (s.streamed) {
            stream(s.target, s.row, range_.size * item_);
            has_streamed_ = true;
        } else {
            std::memcpy(s.target, s.row, static_cast<size_t>(range_.size * item_));
        }
    }
    staged_.clear();
}

}  // namespace ranvier
