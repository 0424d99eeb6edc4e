// Denormal numbers as zero while kernels run: decaying membranes would fall into them and become 50 times slower.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace ranvier {

// Sets this thread to flush denormal results and operands to zero, for as long as it lives.
class FlushDenormals {
public:
#if defined(__x86_64__) || defined(__SSE2__)
    FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(FRESH | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO); }
    ~FlushDenormals() { _mm_setcsr(before_); }

private:
    static constexpr unsigned FRESH = 0x1f80, FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040;
    unsigned before_;
#elif defined(__aarch64__)
    FlushDenormals() {
        __asm__ volatile("mrs %0, fpcr" : "=r"(before_));
        set(FLUSH);  // and round to nearest, no traps
    }
    ~FlushDenormals() { set(before_); }

private:
    static constexpr uint64_t FLUSH = uint64_t{1} << 24;
    static void set(uint64_t fpcr) { __asm__ volatile("msr fpcr, %0" : : "r"(fpcr)); }
    uint64_t before_;
#else
    FlushDenormals() {}
    ~FlushDenormals() {}
#endif

public:
    FlushDenormals(const FlushDenormals&) = delete;
    FlushDenormals& operator=(const FlushDenormals&) = delete;
};

}  // namespace ranvier
