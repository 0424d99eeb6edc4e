// A number for each channel as rows: neuron n reads values[(n / inner) % count].
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace ranvier {

class Channels {
public:
    // room: scratch of `bytes_needed` bytes. longest: neurons that are asked for at a time, at most.
    Channels(const char* values, int64_t count, int64_t inner, ptrdiff_t item, ptrdiff_t longest, char* room)
        : values_(values), count_(count), inner_(inner), item_(item), row_(room) {
        if (inner != 1 || count > longest) return;
        for (int64_t n = 0; n < longest + count; n += count) {
            std::memcpy(row_ + n * item_, values_, static_cast<size_t>(std::min(count, longest + count - n) * item_));
        }
        repeated_ = true;
    }

    static ptrdiff_t bytes_needed(int64_t count, int64_t inner, ptrdiff_t item, ptrdiff_t longest) {
        return (longest + (inner == 1 && count <= longest ? static_cast<ptrdiff_t>(count) : 0)) * item;
    }

    // The numbers of neurons [n, n + size), side by side, until the next call.
    const char* at(int64_t n, int64_t size) {
        if (repeated_) return row_ + n % count_ * item_;
        if (inner_ == 1 && n % count_ + size <= count_) return values_ + n % count_ * item_;
        for (int64_t done = 0; done < size;) {
            const int64_t channel = (n + done) / inner_ % count_, left = inner_ - (n + done) % inner_;
            const int64_t same = std::min(left, size - done);
            if (same == size && channel == filled_ && size <= filled_size_) return row_;
            fill(row_ + done * item_, values_ + channel * item_, same);
            filled_ = same == size ? channel : -1;
            filled_size_ = size;
            done += same;
        }
        return row_;
    }

private:
    void fill(char* row, const char* value, int64_t size) const {
        if (item_ == 4) {
            float x;
            std::memcpy(&x, value, 4);
            std::fill_n(reinterpret_cast<float*>(row), size, x);
        } else {
            double x;
            std::memcpy(&x, value, 8);
            std::fill_n(reinterpret_cast<double*>(row), size, x);
        }
    }

    const char* values_;
    const int64_t count_, inner_;
    const ptrdiff_t item_;
    char* row_;
    bool repeated_ = false;
    int64_t filled_ = -1, filled_size_ = 0;  // the channel that fills the row, and how much of it
};

}  // namespace ranvier
