// Memory of large results, kept when a result dies and handed out again: fresh memory costs a page fault every 4 KB,
// which is several times what a kernel takes to fill it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ranvier {

// A piece of memory of at least `bytes`, aligned to a cache line (large ones to a huge page). What it holds is left over
// from its last use. Throws std::bad_alloc.
char* take_buffer(size_t bytes);
// Give a piece back that was taken with the same `bytes`. It is kept for the next taker of its size, within the limit;
// pieces that waited longest are freed first. Any thread may do so; nothing is thrown.
void give_buffer_back(char* buffer, size_t bytes) noexcept;

// At most this much is kept idle. Zero: nothing.
void limit_buffers(size_t bytes);
size_t idle_buffer_bytes();

}  // namespace ranvier
