#include "block.hpp"

#include <memory>
#include <new>

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

}  // namespace

Scratch::Scratch(ptrdiff_t rows, ptrdiff_t lines, ptrdiff_t numbers, ptrdiff_t item)
    : pitch_((numbers * item + LINE - 1) / LINE * LINE + 2 * LINE) {
    char* all = buffer.at_least(static_cast<size_t>(rows * pitch_ + lines * LINE));
    next_line_ = all - LINE;
    next_row_ = all + lines * LINE - pitch_;
}

Slots::Slots(const Call& call, const Code& code, Range range, Scratch& scratch)
    : code_(code), range_(range), item_(call.item), padded_((range.size + GRAIN - 1) / GRAIN * GRAIN),
      slots_(static_cast<size_t>(code.layout.total())) {
    const Layout& l = code.layout;
    zero_ = constant(0.0, scratch);
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
            char* row = scratch.row();
            spread(c, row);
            point(l.coefficient(k), row);
        }
    }
    if (padded_ != range.size) {
        staging_.resize(slots_.size());
        pending_.resize(slots_.size());
        for (char*& row : staging_) {
            row = scratch.row();
            std::memset(row, 0, static_cast<size_t>(padded_ * item_));
        }
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
    if (staging_.empty()) {
        point(slot, const_cast<char*>(place));
    } else {
        char* row = staging_[static_cast<size_t>(slot)];
        std::memcpy(row, place, static_cast<size_t>(range_.size * item_));
        point(slot, row);
    }
}

void Slots::write(int slot, char* memory) {
    char* place = memory + range_.begin * item_;
    if (staging_.empty()) {
        point(slot, place);
    } else {
        pending_[static_cast<size_t>(slot)] = place;
        point(slot, staging_[static_cast<size_t>(slot)]);
    }
}

void Slots::flush() {
    for (size_t slot = 0; slot < pending_.size(); ++slot) {
        if (pending_[slot] == nullptr) continue;
        std::memcpy(pending_[slot], staging_[slot], static_cast<size_t>(range_.size * item_));
        pending_[slot] = nullptr;
    }
}

}  // namespace ranvier
