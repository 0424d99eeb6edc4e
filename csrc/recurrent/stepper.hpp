// Runs one step's program over the neurons of a block of sequences.
//
// In scratch memory a block is (block, padded(N)) numbers, rounded up to GRAIN.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "arena.hpp"
#include "loop.hpp"

namespace ranvier::recurrent {

// How a block of `size` sequences lies in scratch memory.
struct Shape {
    int64_t N, pitch, size;

    int64_t numbers() const { return (size * pitch + GRAIN - 1) / GRAIN * GRAIN; }
    // Whether the caller's memory looks the same, so that it can be worked on in place.
    bool in_place() const { return pitch == N && size * N % GRAIN == 0; }
    template <class T>
    void read(T* to, const T* from) const {
        for (int64_t b = 0; b < size; ++b) std::memcpy(to + b * pitch, from + b * N, static_cast<size_t>(N) * sizeof(T));
    }
    template <class T>
    void write(T* to, const T* from) const {
        for (int64_t b = 0; b < size; ++b) std::memcpy(to + b * N, from + b * pitch, static_cast<size_t>(N) * sizeof(T));
    }
};

template <class T>
class Stepper {
public:
    static constexpr int64_t PART = 512;  // numbers a program runs over at a time: registers stay in the first cache

    static size_t bytes_needed(const Code& code, int64_t numbers) {
        const Layout& l = code.layout;
        return static_cast<size_t>(l.registers) * Arena::round(PART * sizeof(T)) +
               static_cast<size_t>(l.constants + l.coefficients + 1) * LINE +
               static_cast<size_t>(l.coefficients) * Arena::round(static_cast<size_t>(numbers) * sizeof(T));
    }

    Stepper(const Call<T>& call, const Code& code, Arena& arena, int64_t numbers)
        : call_(call), code_(code), slots_(static_cast<size_t>(code.layout.total())), moves_(slots_.size(), false),
          zero_(repeated(T{0}, arena)) {
        const Layout& l = code.layout;
        for (int k = 0; k < l.registers; ++k) at(k) = Slot{reinterpret_cast<char*>(arena.take<T>(PART)), 1};
        for (int k = 0; k < l.constants; ++k) {
            at(l.constant(k)) = Slot{repeated(static_cast<T>(code.constants[static_cast<size_t>(k)]), arena), 0};
        }
        for (int k = 0; k < l.coefficients; ++k) {
            const Coefficient<T>& c = call.coefficients[static_cast<size_t>(k)];
            if (c.count == 1) {
                at(l.coefficient(k)) = Slot{repeated(*c.values, arena), 0};
            } else {
                point(l.coefficient(k), arena.take_zeros<T>(numbers));
            }
        }
    }

    // Go to the sequences from `first` on: coefficients of their own are laid out.
    void move_to(int64_t first, const Shape& shape) {
        const Layout& l = code_.layout;
        for (int k = 0; k < l.coefficients; ++k) {
            const Coefficient<T>& c = call_.coefficients[static_cast<size_t>(k)];
            if (c.count == 1) continue;
            T* row = reinterpret_cast<T*>(at(l.coefficient(k)).data);
            for (int64_t b = 0; b < shape.size; ++b) {
                for (int64_t n = 0; n < shape.N; ++n) {
                    row[b * shape.pitch + n] = c.values[((first + b) * shape.N + n) / c.inner % c.count];
                }
            }
        }
    }

    void point(int slot, const T* row) {
        at(slot) = Slot{const_cast<char*>(reinterpret_cast<const char*>(row)), 1};
        moves_[static_cast<size_t>(slot)] = true;
    }
    void point_zero(int slot) {
        at(slot) = Slot{zero_, 0};
        moves_[static_cast<size_t>(slot)] = false;
    }

    void run(int64_t numbers) {
        parts_ = slots_;
        for (int64_t begin = 0; begin < numbers; begin += PART) {
            for (size_t s = 0; s < slots_.size(); ++s) {
                if (moves_[s]) parts_[s].data = slots_[s].data + begin * static_cast<int64_t>(sizeof(T));
            }
            const int64_t n = std::min(PART, numbers - begin);
            if (call_.fused != nullptr && code_.fused >= 0) {
                call_.fused[code_.fused](parts_.data(), code_.places.data(), n, Ahead{});
            } else {
                call_.execute(code_.instructions.data(), static_cast<int>(code_.instructions.size()), parts_.data(), n, Ahead{});
            }
        }
    }

private:
    Slot& at(int slot) { return slots_[static_cast<size_t>(slot)]; }

    static char* repeated(T value, Arena& arena) {
        constexpr auto COUNT = static_cast<ptrdiff_t>(LINE / sizeof(T));
        T* line = arena.take<T>(COUNT);
        std::fill(line, line + COUNT, value);
        return reinterpret_cast<char*>(line);
    }

    const Call<T>& call_;
    const Code& code_;
    std::vector<Slot> slots_, parts_;
    std::vector<bool> moves_;  // which lie along the neurons
    char* zero_;
};

}  // namespace ranvier::recurrent
