// Threads that take numbers, from 0 on, and then each number's turn, one after the other and alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace ranvier::formats {

// Whoever holds a number must come to its turn or end it all: those behind wait for it, by spinning, for what lies
// between taking a number and its turn is short. What a turn writes, the next one sees.
class Turns {
public:
    // Waits until the turns of all numbers before are over; false if one of them was the last.
    bool wait(int64_t number) const {
        for (int spins = 0; now_.load(std::memory_order_acquire) != number; ++spins) {
            if (over_.load(std::memory_order_acquire)) return false;
            if (spins > 100) std::this_thread::yield();
        }
        return !over_.load(std::memory_order_acquire);
    }
    void pass(int64_t number) { now_.store(number + 1, std::memory_order_release); }
    void end() { over_.store(true, std::memory_order_release); }

private:
    alignas(64) std::atomic<int64_t> now_{0};
    std::atomic<bool> over_{false};
};

}  // namespace ranvier::formats
