#include "source.hpp"

#if defined(RANVIER_FILES)
#include <unistd.h>

#include <cerrno>
#endif

namespace ranvier::formats {

void Piece::reserve(int64_t num) {
    if (num <= room_) return;
    memory_.reset(new uint8_t[static_cast<size_t>(num + 2 * PAGE)]);
    room_ = num;
}

uint8_t* Piece::start() { return memory_.get() + (PAGE - reinterpret_cast<uintptr_t>(memory_.get()) % PAGE); }

Bytes Piece::read(const Source& source, int64_t from, int64_t num, int& error) {
    if (source.data != nullptr) return {source.data + from, num};
    reserve(num);
#if defined(RANVIER_FILES)
    // From a border of pages on: processors copy several times slower to memory that lies a few bytes off its source.
    const int64_t position = source.at + from, before = position % PAGE;
    ssize_t got;
    do {
        got = pread(source.file, start(), static_cast<size_t>(before + num), position - before);
    } while (got < 0 && errno == EINTR);
    if (got < 0) error = errno;
    return {start() + before, got <= before ? 0 : got - before};
#else
    error = 1;  // no file is given here
    return {start(), 0};
#endif
}

}  // namespace ranvier::formats
