// Bytes to decode: in memory, or of an open file and read piece by piece into memory that stays in the second cache.
#pragma once

#include <memory>

#include "decode.hpp"

#if defined(__unix__) || defined(__APPLE__)
#define RANVIER_FILES
#endif

namespace ranvier::formats {

constexpr int64_t PIECE = 1 << 18, PAGE = 1 << 12;

struct Source {
    const uint8_t* data;  // null: of a file
    int file;
    int64_t at;  // byte of the file where they begin
    int64_t size;
};

// Memory that bytes are read into, taken again for each piece.
class Piece {
public:
    // Sees to room for pieces of so many bytes.
    void reserve(int64_t num);

    // `num` bytes from byte `from` of a source on: fewer where a file has become shorter; none, and the system's number
    // of the error, where it cannot be read. It is read, not mapped: a mapped file that somebody cuts ends the process.
    Bytes read(const Source& source, int64_t from, int64_t num, int& error);

private:
    uint8_t* start();

    std::unique_ptr<uint8_t[]> memory_;
    int64_t room_ = 0;
};

}  // namespace ranvier::formats
