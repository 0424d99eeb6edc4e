// A decoder over bytes: in memory at once, over a file piece by piece, over many pieces on several threads.
#pragma once

#include "source.hpp"

namespace ranvier::formats {

// How a call is carried out. Whatever these are, it finds the same.
struct Company {
    int threads = 1;      // at most
    int64_t piece = 0;    // bytes a thread takes at once; 0: PIECE, and one thread for what would not be worth a second
};

// Whether so many bytes are not worth a second thread.
bool alone(const Company& company, int64_t size);

// Adds the bounds of events to those of the events before them.
void join(Bounds& all, int64_t num, const Bounds& next, int64_t num_next);

// Memory of the calling thread.
Piece& piece_of_thread();

// Decodes a source from its first byte on. Takes fewer bytes if the file has become shorter, or the last record is cut;
// `error` is the system's number if it cannot be read. `parts` may be null: it is decoded by one thread then.
Found walk(Decode decode, const Parts* parts, const Source& source, const int64_t* parameters, const int64_t* state,
           const Columns& out, const Company& company, int& error);

}  // namespace ranvier::formats
